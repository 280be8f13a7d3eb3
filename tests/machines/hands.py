"""The product's own operations, as a machine calls them: by name of deed and person, at the machine's time.

Each answers with a code: a refusal's, the decision's effect for an ask, or nothing. A naive twin overrides one of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from approvals.models import ApprovalRequest, Grant
from approvals.operations import (
    cancel_request,
    expire_grant,
    expire_request,
    mark_silent,
    revoke_grant,
    save_queue,
    settle_unknown,
)
from approvals.operations.opening import current_revision
from audit import sql
from audit.refusals import Refusal, Unauthenticated
from controlplane import gateway
from costs.budgets import expire_reservations
from costs.operations import save_budget
from policies.operations import publish_set
from registry.authentication import Principal, authenticate
from registry.models import Agent, AgentKey, KillSwitch, Team, User
from registry.operations import (
    deactivate,
    kill,
    lift,
    pause_agent,
    reactivate,
    resume_agent,
    revoke_key,
    save_team,
    transfer_agent,
)
from registry.states import KillScope, KillState
from tests.machines.things import MOST_MAILS, TTL
from tests.reviewing import read_and_vote
from tests.world import INSTALLATION, World, make_agent, make_key, make_world

NAMES = {
    "owner": "talent-lead", "reviewer": "talent-reviewer", "second": "second-reviewer",
    "operator": "talent-operator", "stranger": "billing-operator",
}  # fmt: skip
FORM = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/apply"}, "executor": "bystander"}
RULES: list[dict[str, Any]] = [
    {"allow": {"name": "submit", "verb": "form.submit"}},
    {"review": {"name": "mail", "verb": "email.**", "queue": "outreach"}},
    {"limit": {"name": "pace", "verb": "email.**", "units": MOST_MAILS, "per": "1h", "by": "agent"}},
]
POLICIES: dict[str, list[dict[str, Any]]] = {
    "base": RULES,
    "forbid": [*RULES, {"forbid": {"name": "nothing", "verb": "**"}}],
    "legal": [*RULES, {"review": {"name": "law", "verb": "email.**", "queue": "legal"}}],
}


def code_of(call: Callable[[], str | None]) -> str:
    """Return what a call was answered with."""
    try:
        return call() or ""
    except Refusal as refusal:
        return refusal.code


def save_terms(world: World, slug: str, *, now: datetime, **terms: Any) -> None:
    """Save a queue; it is the team's, and an editor does not approve, unless the terms say otherwise."""
    usual = {
        "reviewers": ["talent"], "quorum": 1, "ttl_seconds": int(TTL.total_seconds()), "edits": True,
        "editor_may_approve": False, "owner_may_approve": True,
    }  # fmt: skip
    save_queue(slug=slug, by=world.admin, now=now, **{**usual, **terms})


def publish(world: World, rules: list[dict[str, Any]], *, now: datetime) -> None:
    """Put a policy in force."""
    document = {"applies_to": {"agents": ["job-applier"]}, "mode": "enforce", "rules": rules, "tests": []}
    publish_set(policies={"machine": document}, queues=["outreach", "legal"], by=world.admin, now=now, reason="test")


def save_limit(usd: str, *, now: datetime) -> None:
    """Set the budget over both agents."""
    document = {"team": "talent", "per": "month", "limit_usd": usd, "reserve_usd": "0.05", "at_limit": "deny"}
    save_budget(slug="talent-month", document=document, by=INSTALLATION, now=now)


@dataclass(frozen=True, slots=True)
class Stage:
    """The world, and the key of the agent that executes what it is handed."""

    world: World
    executor: str


def build() -> Stage:
    """Build what every example starts from."""
    now = sql.now()
    world = make_world(now=now)
    bystander = make_agent("bystander", owner=world.owner, team=world.team, by=world.admin, now=now)
    save_terms(world, "outreach", quorum=2, now=now)
    save_terms(world, "legal", now=now)
    save_limit("1000.00", now=now)
    publish(world, RULES, now=now)
    return Stage(world, make_key(bystander, by=world.operator, now=now)[1])


@dataclass
class Hands:
    """One example's calls.

    Attributes:
        stage: the installation.
        now: the machine's time; always ahead of the real one.
        actions: ids of the decisions, by the deeds' keys.
        to: recipients of mails.
        text: the agent's key.
    """

    stage: Stage
    now: datetime = field(default_factory=lambda: sql.now() + timedelta(days=1))
    actions: dict[str, UUID] = field(default_factory=dict)
    to: tuple[str, ...] = ("jane@acme.com",)
    text: str = ""

    def __post_init__(self) -> None:
        self.text = self.stage.world.text

    @property
    def agent(self) -> Agent:
        return Agent.objects.select_related("team", "owner").get(slug="job-applier")

    def who(self, name: str) -> User:
        return User.objects.get(username=NAMES[name])

    def clock(self) -> datetime:
        return self.now

    def principal(self, text: str) -> Principal:
        principal = authenticate(text, now=sql.now())
        if principal is None:
            raise Unauthenticated
        return principal

    def actor(self, key: str) -> Principal:
        """Whoever executes the deed."""
        return self.principal(self.stage.executor if key.startswith("form") else self.text)

    def request(self, key: str) -> ApprovalRequest:
        rows = ApprovalRequest.objects.select_related("agent").filter(decision=self.actions[key])
        return rows.order_by("-id")[0]

    def grant(self, key: str) -> Grant:
        return Grant.objects.select_related("agent").filter(decision=self.actions[key]).order_by("-id")[0]

    def ask(self, key: str) -> str:
        action: dict[str, Any] = FORM
        if key.startswith("mail"):
            action = {"verb": "email.send", "payload": {"to": list(self.to), "body": key}}
        answer = gateway.ask(
            principal=self.principal(self.text), key=key, raw=json.dumps(action).encode(), clock=self.clock
        )
        assert self.actions.setdefault(key, answer.id) == answer.id
        return answer.effect

    def vote(self, key: str, who: str, verdict: str, *, fresh: bool, same: bool) -> None:
        request = self.request(key)
        digest = current_revision(request).digest if same else "0" * 64
        read_and_vote(
            request, by=self.who(who), verdict=verdict, revision=request.revision - (not fresh), digest=digest,
            now=self.now,
        )  # fmt: skip

    def edit(self, key: str, who: str, word: str, *, fresh: bool) -> None:
        request = self.request(key)
        raw = json.dumps({"payload": {"to": list(self.to), "body": word}}).encode()
        revision = request.revision - (not fresh)
        gateway.edit(request_id=request.pk, revision=revision, raw=raw, by=self.who(who), clock=self.clock)

    def redeem(self, key: str, word: str, *, digest: str) -> None:
        redeemed = gateway.redeem(
            principal=self.actor(key), action_id=self.actions[key], key=word, digest=digest, clock=self.clock
        )
        assert redeemed.approved.digest == digest

    def cancel(self, key: str) -> None:
        gateway.cancel(principal=self.principal(self.text), action_id=self.actions[key], clock=self.clock)

    def dismiss(self, key: str) -> None:
        cancel_request(request=self.request(key), by=self.stage.world.admin, now=self.now, reason="test")

    def revoke(self, key: str) -> None:
        revoke_grant(grant=self.grant(key), by=self.stage.world.admin, now=self.now, reason="test")

    def report(self, key: str, *, succeeded: bool) -> None:
        gateway.outcome(
            principal=self.actor(key), action_id=self.actions[key], succeeded=succeeded, note="", result_digest="",
            clock=self.clock,
        )  # fmt: skip

    def settle(self, key: str, *, succeeded: bool) -> None:
        settle_unknown(
            grant=self.grant(key), succeeded=succeeded, by=self.stage.world.admin, now=self.now, reason="test"
        )

    def use(self, key: str, event: str) -> None:
        step = {
            "type": "step", "event_id": event, "run_id": "run", "name": "draft", "kind": "llm", "duration_ms": 1,
            "started_at": self.now.isoformat(), "status": "succeeded", "action_id": str(self.actions[key]),
            "usage": {"provider": "openai", "model": "gpt-4o", "input_uncached": 10, "output": 10},
        }  # fmt: skip
        found = gateway.ingest(principal=self.principal(self.text), items=[step], clock=self.clock)
        assert {str(each.status) for each in found.results} <= {"created", "duplicate"}, found

    def sweep(self) -> None:
        """Do what the sweeps of approvals and of reservations do; the tasks themselves read the real clock."""
        now, by = self.now, INSTALLATION
        requests, grants = ApprovalRequest.objects.select_related("agent"), Grant.objects.select_related("agent")
        for request in requests.voided():
            cancel_request(request=request, by=by, now=now, reason="transferred")
        for grant in grants.voided():
            revoke_grant(grant=grant, by=by, now=now, reason="transferred")
        for request in requests.overdue(now):
            expire_request(request=request, by=by, now=now)
        for grant in grants.lapsed(now):
            expire_grant(grant=grant, by=by, now=now)
        for grant in grants.silent(now):
            mark_silent(grant=grant, by=by, now=now)
        expire_reservations(by=by, now=now)

    # What may change between two steps; each takes the new value of the model's field of that name.

    def paused(self, value: bool) -> None:
        by, now = self.stage.world.admin, self.now
        if value:
            pause_agent(agent=self.agent, reason="test", by=by, now=now)
        else:
            resume_agent(agent=self.agent, by=by, now=now)

    def killed(self, value: bool) -> None:
        by, now = self.stage.world.admin, self.now
        if value:
            kill(scope=KillScope.AGENT, value="job-applier", reason="test", by=by, now=now)
        else:
            lift(switch=KillSwitch.objects.get(state=KillState.IN_FORCE), by=by, now=now)

    def revoked(self, value: bool) -> None:
        world = self.stage.world
        if value:
            for key in AgentKey.objects.select_related("agent__team").filter(agent=self.agent, state="live"):
                revoke_key(key=key, by=world.admin, now=self.now)
        else:
            self.text = make_key(self.agent, by=world.operator, now=sql.now())[1]

    def poor(self, value: bool) -> None:
        save_limit("0.01" if value else "1000.00", now=self.now)

    def policy(self, value: str) -> None:
        publish(self.stage.world, POLICIES[value], now=self.now)

    def quorum(self, value: int) -> None:
        save_terms(self.stage.world, "outreach", quorum=value, now=self.now)

    def inactive(self, value: bool) -> None:
        (deactivate if value else reactivate)(user=self.who("second"), by=self.stage.world.admin, now=self.now)

    def left(self, value: bool) -> None:
        world = self.stage.world
        members = [world.operator, world.owner, world.second, *(() if value else (world.reviewer,))]
        # A member whose account is closed stays one.
        save_team(slug="talent", name="Talent", lead=world.owner, members=members, by=world.admin, now=self.now)

    def epoch(self, _value: int) -> None:
        world, agent = self.stage.world, self.agent
        owner = world.admin if agent.owner_id == world.owner.pk else world.owner
        transfer_agent(agent=agent, owner=owner, team=Team.objects.get(slug="talent"), by=world.admin, now=self.now)
