"""What changes between approval and redemption, in one table: what the redemption is told, and what it leaves."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from approvals.models import ApprovalRequest
from approvals.operations.opening import current_revision
from audit.models import Entry
from audit.refusals import Refusal
from costs.models import Reservation
from policies.models import Admission
from registry.models import Agent, AgentKey, Team
from registry.operations import (
    contain,
    pause_agent,
    resume_agent,
    retire_agent,
    revoke_key,
    save_agent,
    save_verb,
    transfer_agent,
)
from tests.machines.hands import RULES, Hands, Stage, build, code_of, publish, save_terms
from tests.world import VERBS, built_once

NOTHING: tuple[str, ...] = ()
REVOKED = ("grant.revoked",)
RELEASED = ("grant.revoked", "budget.released")
HELD_AGAIN = ("grant.revoked", "approval.requested")


@dataclass
class Approved(Hands):
    """An installation in which something is about to be redeemed."""

    key: str = "mail"

    @property
    def admin(self) -> Any:
        return self.stage.world.admin

    @property
    def executor(self) -> Agent:
        return Agent.objects.select_related("team", "owner").get(slug="bystander")

    def rules(self, *more: dict[str, Any], without: str = "") -> None:
        kept = [rule for rule in RULES if without not in rule]
        publish(self.stage.world, [*kept, *more], now=self.now)

    def terms(self, **terms: Any) -> None:
        save_terms(self.stage.world, "outreach", now=self.now, **{"quorum": 2, **terms})

    def take(self, key: str = "") -> None:
        key = key or self.key
        self.redeem(key, "a", digest=self.grant(key).digest)

    def approve(self, key: str, *people: str) -> None:
        for who in people:
            self.vote(key, who, "approve", fresh=True, same=True)

    def other_day(self) -> str:
        return ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(self.now.weekday() + 2) % 7]


def another_took_the_limit(case: Approved) -> None:
    case.ask("mail-2")
    case.approve("mail-2", "second", "reviewer")
    case.take("mail-2")


def agent_changed(case: Approved, **changes: Any) -> None:
    agent = case.agent
    facts = {name: getattr(agent, name) for name in ("name", "owner", "team", "purpose", "tags", "enforcement")}
    facts |= {"capabilities": agent.capabilities, "data_scopes": agent.data_scopes, **changes}
    save_agent(slug=agent.slug, by=case.admin, now=case.now, **facts)


def moved(case: Approved, agent: Agent, team: str) -> None:
    transfer_agent(agent=agent, owner=agent.owner, team=Team.objects.get(slug=team), by=case.admin, now=case.now)


def key_of_executor_revoked(case: Approved) -> None:
    key = AgentKey.objects.select_related("agent__team").get(agent=case.executor)
    revoke_key(key=key, by=case.admin, now=case.now)


def verb_became(case: Approved, **changes: Any) -> None:
    save_verb(name="email.send", spec={**VERBS["email.send"], **changes}, by=case.admin, now=case.now)


def executor_paused(case: Approved) -> None:
    pause_agent(agent=case.executor, reason="test", by=case.admin, now=case.now)


def executor_resumed(case: Approved) -> None:
    resume_agent(agent=case.executor, by=case.admin, now=case.now)


def edited_too_late(case: Approved) -> None:
    assert code_of(lambda: case.edit("mail", "second", "other words", fresh=True)) == "already_decided"


def executor_retired(case: Approved) -> None:
    retire_agent(agent=case.executor, reason="test", by=case.admin, now=case.now)


@dataclass(frozen=True)
class Row:
    """One flip.

    Attributes:
        flip: what changes.
        told: status and code of the redemption; empty: it succeeds.
        grant: the newest grant's state afterwards.
        entries: kinds that the redemption adds to the trail.
        waits: whether the answer says when to come again.
        back: what lifts it, so that the very same redemption succeeds.
        voters: who approved.
        edited_by: who wrote the bytes that were approved, where the queue lets editors approve.
    """

    flip: Callable[[Approved], Any]
    told: tuple[int, str] | None
    grant: str
    entries: tuple[str, ...] = NOTHING
    waits: bool = False
    back: Callable[[Approved], Any] | None = None
    voters: tuple[str, ...] = ("second", "reviewer")
    edited_by: str = ""


CHANGED, NOT_NOW, NOBODY = (409, "policy_changed"), (409, "not_now"), (401, "unauthenticated")
EXTENDED, REDEEMED = ("grant.extended",), ("grant.redeemed",)
HOURS = {"name": "office", "verb": "**", "zone": "UTC", "from": "09:00", "until": "18:00"}


def frozen(case: Approved) -> dict[str, Any]:
    until = (case.now + timedelta(hours=3)).isoformat(timespec="seconds")
    return {"freeze": {"name": "still", "from": "2026-01-01T00:00:00+00:00", "until": until}}


# What was held and approved by `second` and `reviewer`, for a quorum of two; it takes its limits when it is redeemed.
HELD: dict[str, Row] = {
    "nothing": Row(lambda c: None, None, "redeemed", REDEEMED),
    # Policy.
    "forbidden": Row(lambda c: c.policy("forbid"), CHANGED, "revoked", REVOKED),
    "permitted no more": Row(lambda c: c.rules(without="review"), CHANGED, "revoked", REVOKED),
    "needs another queue": Row(lambda c: c.policy("legal"), (409, "review_required"), "revoked", HELD_AGAIN),
    "needs no queue any more": Row(
        lambda c: c.rules({"allow": {"name": "mail", "verb": "email.**"}}, without="review"), None, "redeemed", REDEEMED
    ),
    "batch below its units": Row(
        lambda c: c.rules(
            {"review": {"name": "few", "verb": "email.**", "queue": "outreach", "batch": 1}}, without="review"
        ),
        CHANGED,
        "revoked",
        REVOKED,
    ),
    "limit below its units": Row(
        lambda c: c.rules({"limit": {"name": "one", "verb": "email.**", "units": 1, "per": "1d"}}),
        CHANGED,
        "revoked",
        REVOKED,
    ),
    "limit spent": Row(another_took_the_limit, NOT_NOW, "issued", EXTENDED, waits=True),
    "hours closed": Row(
        lambda c: c.rules({"hours": {**HOURS, "days": c.other_day()}}),
        NOT_NOW,
        "issued",
        EXTENDED,
        True,
        lambda c: c.policy("base"),
    ),
    "frozen": Row(lambda c: c.rules(frozen(c)), NOT_NOW, "issued", EXTENDED, True, lambda c: c.policy("base")),
    # Catalogue and rights.
    "verb needs another capability": Row(lambda c: verb_became(c, capability="execute"), CHANGED, "revoked", REVOKED),
    "capability lost": Row(lambda c: agent_changed(c, capabilities=["read"]), CHANGED, "revoked", REVOKED),
    "data scopes lost": Row(lambda c: agent_changed(c, data_scopes=["others"]), None, "redeemed", REDEEMED),
    # The agent.
    "paused": Row(lambda c: c.paused(True), NOT_NOW, "issued", back=lambda c: c.paused(False)),
    "killed": Row(lambda c: c.killed(True), NOT_NOW, "issued", back=lambda c: c.killed(False)),
    "contained": Row(lambda c: contain(agent=c.agent, reason="test", by=c.admin, now=c.now), NOBODY, "issued"),
    "retired": Row(lambda c: retire_agent(agent=c.agent, reason="test", by=c.admin, now=c.now), NOBODY, "issued"),
    "key revoked": Row(lambda c: c.revoked(True), NOBODY, "issued", back=lambda c: c.revoked(False)),
    "other owner": Row(lambda c: c.epoch(0), CHANGED, "revoked", REVOKED),
    "other team": Row(lambda c: moved(c, c.agent, "billing"), CHANGED, "revoked", REVOKED),
    "there and back again": Row(
        lambda c: (moved(c, c.agent, "billing"), moved(c, c.agent, "talent")), CHANGED, "revoked", REVOKED
    ),
    "budget spent": Row(lambda c: c.poor(True), NOT_NOW, "issued", waits=True, back=lambda c: c.poor(False)),
    # The people.
    "voter deactivated": Row(lambda c: c.inactive(True), CHANGED, "revoked", REVOKED),
    "voter deactivated and back": Row(lambda c: (c.inactive(True), c.inactive(False)), None, "redeemed", REDEEMED),
    "voter left the team": Row(lambda c: c.left(True), CHANGED, "revoked", REVOKED),
    "owner may approve no more": Row(
        lambda c: c.terms(owner_may_approve=False), CHANGED, "revoked", REVOKED, voters=("owner", "second")
    ),
    "owner may approve no more, and had not": Row(
        lambda c: c.terms(owner_may_approve=False), None, "redeemed", REDEEMED
    ),
    "owner may approve again": Row(
        lambda c: (c.terms(owner_may_approve=False), c.terms()), None, "redeemed", REDEEMED, voters=("owner", "second")
    ),
    "editors approve no more": Row(
        lambda c: c.terms(editor_may_approve=False), CHANGED, "revoked", REVOKED, edited_by="reviewer"
    ),
    "editors approve no more, and had not": Row(
        lambda c: c.terms(editor_may_approve=False), None, "redeemed", REDEEMED, edited_by="owner"
    ),
    "edited too late": Row(edited_too_late, None, "redeemed", REDEEMED),
    "queue's other reviewers": Row(lambda c: c.terms(reviewers=["billing"]), CHANGED, "revoked", REVOKED),
    "quorum raised": Row(lambda c: c.terms(quorum=3), CHANGED, "revoked", REVOKED),
    "quorum lowered": Row(lambda c: c.terms(quorum=1), None, "redeemed", REDEEMED),
    # Time.
    "late by nothing": Row(lambda c: setattr(c, "now", c.grant("mail").expires_at), (410, "expired"), "issued"),
    "revoked": Row(lambda c: c.revoke("mail"), (409, "not_granted"), "revoked"),
    "withdrawn": Row(lambda c: c.cancel("mail"), (409, "not_granted"), "revoked"),
}

# What was allowed at once and handed over to another agent: limits and budget were taken when it was allowed.
HANDED: dict[str, Row] = {
    "nothing": Row(lambda c: None, None, "redeemed", REDEEMED),
    "forbidden": Row(lambda c: c.policy("forbid"), CHANGED, "revoked", RELEASED),
    "needs a queue": Row(
        lambda c: c.rules({"review": {"name": "forms", "verb": "form.**", "queue": "legal"}}),
        (409, "review_required"),
        "revoked",
        HELD_AGAIN,
    ),
    "limit added and spent": Row(
        lambda c: c.rules({"limit": {"name": "one", "verb": "form.**", "units": 1, "per": "1d"}}),
        None,
        "redeemed",
        REDEEMED,
    ),
    "hours closed": Row(
        lambda c: c.rules({"hours": {**HOURS, "days": c.other_day()}}),
        NOT_NOW,
        "issued",
        EXTENDED,
        True,
        lambda c: c.policy("base"),
    ),
    "budget spent": Row(lambda c: c.poor(True), None, "redeemed", REDEEMED),
    "asker paused": Row(lambda c: c.paused(True), NOT_NOW, "issued", back=lambda c: c.paused(False)),
    "asker killed": Row(lambda c: c.killed(True), NOT_NOW, "issued", back=lambda c: c.killed(False)),
    "asker transferred": Row(lambda c: c.epoch(0), CHANGED, "revoked", RELEASED),
    "asker's key revoked": Row(lambda c: c.revoked(True), None, "redeemed", REDEEMED),
    "executor paused": Row(executor_paused, NOT_NOW, "issued", back=executor_resumed),
    "executor's key revoked": Row(key_of_executor_revoked, NOBODY, "issued"),
    "executor retired": Row(executor_retired, NOBODY, "issued"),
    "executor in another team": Row(lambda c: moved(c, c.executor, "billing"), (404, "not_found"), "issued"),
    "withdrawn": Row(lambda c: c.cancel("form"), (409, "not_granted"), "revoked"),
}


@pytest.fixture(scope="module")
def _stage(django_db_setup: None, django_db_blocker: Any) -> Iterator[Stage]:
    with built_once(build, django_db_blocker) as made:
        yield made


@pytest.fixture
def case(_stage: Stage, db: None) -> Approved:
    return Approved(copy.deepcopy(_stage), to=("jane@acme.com", "bob@acme.com"))


def _prepare(case: Approved, key: str, row: Row) -> None:
    case.key = key
    case.ask(key)
    if key == "mail":
        if row.edited_by:
            case.terms(editor_may_approve=True)
            case.edit(key, row.edited_by, "other words", fresh=True)
        case.approve(key, *row.voters)
    assert case.grant(key).state == "issued"


def _told(case: Approved) -> tuple[tuple[int, str] | None, bool]:
    """Redeem; return what it was told, and whether it was told when to come again."""
    try:
        case.take()
    except Refusal as refusal:
        return (refusal.status, refusal.code), getattr(refusal, "retry_at", None) is not None
    return None, False


def _check(case: Approved, row: Row) -> None:
    row.flip(case)
    known = set(Entry.objects.values_list("id", flat=True))
    taken = (Admission.objects.count(), Reservation.objects.filter(state="held").count())
    assert _told(case) == (row.told, row.waits)
    assert case.grant(case.key).state == row.grant
    assert Counter(Entry.objects.exclude(id__in=known).values_list("kind", flat=True)) == Counter(row.entries)
    waiting = ApprovalRequest.objects.open().filter(decision=case.actions[case.key]).count()
    assert waiting == ("approval.requested" in row.entries)
    takes = row.told is None and case.key == "mail"
    freed = "budget.released" in row.entries
    assert Admission.objects.count() == taken[0] + takes
    assert Reservation.objects.filter(state="held").count() == taken[1] + takes - freed
    if row.back:
        row.back(case)
        assert _told(case) == (None, False)
        assert case.grant(case.key).state == "redeemed"


@pytest.mark.slow
@pytest.mark.parametrize("name", HELD)
def test_a_flip_between_approval_and_redemption(name: str, case: Approved) -> None:
    _prepare(case, "mail", HELD[name])
    _check(case, HELD[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", HANDED)
def test_a_flip_between_hand_over_and_redemption(name: str, case: Approved) -> None:
    _prepare(case, "form", HANDED[name])
    _check(case, HANDED[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, row in HELD.items() if row.told == CHANGED])
def test_what_a_flip_revoked_stays_revoked(name: str, case: Approved) -> None:
    """However often it is tried, and though its reason may be gone: people are asked anew."""
    row = HELD[name]
    _prepare(case, "mail", row)
    _check(case, row)
    assert _told(case) == ((409, "not_granted"), False)
    assert current_revision(case.request("mail")).digest == case.grant("mail").digest
