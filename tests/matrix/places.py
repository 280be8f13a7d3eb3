"""Two teams side by side, with one of everything each: what the matrix asks for, own and foreign."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Model

from approvals.models import ApprovalRequest, Grant
from approvals.operations import mark_silent, read_bytes
from audit import sql
from audit.actors import System
from audit.models import Entry
from controlplane import gateway
from controlplane.apply import apply_document
from controlplane.delivery.operations import Wanted, add_channel, create_endpoint, disable_endpoint, send_test
from controlplane.outgoing import Guard
from controlplane.protocols.aap import calls
from controlplane.protocols.aap.instances import provision
from costs.models import Budget, Usage
from policies.models import Decision, Firing, Revision
from policies.operations import save_draft, save_trigger, start_replay
from registry.authentication import Principal, authenticate
from registry.models import Agent, Team, User, Verb
from registry.operations import create_version, deactivate, kill, pause_agent, promote, send_command
from registry.operations.commands import LONGEST_LIFE
from registry.states import Role
from runs.models import Failure, Step
from runs.operations import resolve_failure
from tests.controlplane.api.scene import run, step
from tests.reviewing import read_and_vote
from tests.world import World, make_agent, make_key, make_person, make_team, make_world

# Stands in what agents hand over, and in nothing that is told about it.
MARKER = "kestrel-7f3a"
DOCUMENT = """
verbs:
  email.send:
    capability: notify
    destination: {{at: /to/*, as: email}}
    units: count
    data_classes: [pii]
    tools: [send_email]
queues:
  {side}-mail: {{reviewers: [{team}], quorum: 1, ttl: 24h, edits: true, editor_may_approve: false}}
policies:
  {side}-rules:
    applies_to: {{teams: [{team}]}}
    mode: enforce
    rules:
      - allow:  {{name: submit, verb: form.submit, destination: "https://jobs.example.com/*", batch: 25}}
      - review: {{name: mail, verb: "email.**", queue: {side}-mail}}
budgets:
  {side}-month: {{team: {team}, per: month, zone: UTC, limit_usd: "200.00", reserve_usd: "0.05", at_limit: deny}}
"""
FORM = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/apply", "note": MARKER}}
MAIL = {"verb": "email.send", "payload": {"to": ["jane@acme.com"], "body": f"Dear Jane, {MARKER}"}}
CALL = {"tool": "send_email", "arguments": MAIL["payload"], "timeout": "1h"}


@dataclass(frozen=True, slots=True)
class Side:
    """One team and what it has.

    Attributes:
        key: text of its agent's key, with all scopes.
        narrow: text of a key that may do almost nothing.
        things: rows by the names that the table uses.
    """

    key: str
    narrow: str
    things: dict[str, Model]


@dataclass(frozen=True, slots=True)
class Places:
    """What was built.

    Attributes:
        world: the people.
        own: the callers' team.
        sibling: another one.
        common: what belongs to no team.
        superuser: a reviewer with Django's flag.
        gone: an operator of the team whose account is closed.
    """

    world: World
    own: Side
    sibling: Side
    common: dict[str, Model]
    superuser: User
    gone: User


def build_places() -> Places:
    """Build both sides by production's road. The one who is gone logged in before."""
    now = sql.now()
    world = make_world(now=now)
    superuser = make_person("superuser", Role.REVIEWER, now=now)
    superuser.is_superuser = True
    superuser.save()
    gone = make_person("gone", Role.OPERATOR, now=now)
    talent = (world.operator, world.owner, world.reviewer, world.second, superuser, gone)
    make_team("talent", *talent, lead=world.owner, by=world.admin, now=now)
    lead = make_person("billing-lead", Role.OWNER, now=now)
    reviewer = make_person("billing-reviewer", Role.REVIEWER, now=now)
    billing = make_team("billing", world.stranger, lead, reviewer, by=world.admin, now=now)
    own = _side("own", world, world.team, world.owner, world.reviewer)
    sibling = _side("sibling", world, billing, lead, reviewer)
    held = own.things["held"]
    assert isinstance(held, ApprovalRequest)
    for voter in (world.operator, world.owner, world.reviewer, superuser):
        # Nobody approves what they have not opened.
        read_bytes(request=held, by=voter, now=now)
    return Places(world, own, sibling, _common(world), superuser, gone)


def close_account(places: Places) -> None:
    """Deactivate the one who is gone."""
    deactivate(user=places.gone, by=places.world.admin, now=sql.now())


def _common(world: World) -> dict[str, Model]:
    published = Revision.objects.get(state="published")
    draft = save_draft(policies=published.document, reason="next", by=world.admin, now=sql.now())
    return {
        "policies": published,
        "earlier policies": Revision.objects.get(number=published.number - 1),
        "policy draft": draft,
        "person": world.second,
        "verb": Verb.objects.get(name="report.read"),
    }


def _side(side: str, world: World, team: Team, owner: User, reviewer: User) -> Side:
    now, admin = sql.now(), world.admin
    apply_document(text=DOCUMENT.format(side=side, team=team.slug), by=admin, now=now, dry_run=False)

    def agent(word: str) -> Agent:
        return make_agent(f"{side}-{word}", owner=owner, team=team, by=admin, now=now, tags=[side])

    mine, helper, paused, stopped = agent("agent"), agent("helper"), agent("paused"), agent("stopped")
    spare, _ = make_key(helper, by=admin, now=now)
    key, text = make_key(mine, by=admin, now=now)
    _, narrow = make_key(mine, by=admin, now=now, scopes=("memory",))
    second = create_version(agent=mine, definition={"n": 2}, by=admin, now=now)
    release = promote(version=second, environment="production", by=admin, now=now)
    draft = create_version(agent=mine, definition={"n": 3}, by=admin, now=now)
    pause_agent(agent=paused, reason="test", by=admin, now=now)
    switch = kill(scope="agent", value=stopped.slug, reason="test", by=admin, now=now)

    asked = _asker(text)
    done, held, to_approve, handed = asked(FORM), asked(MAIL), asked(MAIL), asked({**FORM, "executor": helper.slug})
    request = _held(to_approve)
    _approve(request, reviewer)
    held_call, approved_call, consumed_call = (_called(text, f"call-{number}") for number in range(3))
    for call in (approved_call, consumed_call):
        _approve(ApprovalRequest.objects.get(decision=call), reviewer)
    calls.consume(principal=_present(text), request_id=consumed_call.pk, key="consume")
    silent = Grant.objects.get(decision=asked(FORM).id)
    mark_silent(grant=silent, by=System("tests"), now=now + timedelta(days=30))
    gateway.ingest(principal=_present(text), items=_reports(side))
    failures = {row.error_type: row for row in Failure.objects.filter(agent=mine)}
    resolve_failure(failure=failures["Old"], by=admin, now=now)
    reported = Step.objects.get(agent=mine, event_id="s-1")
    asker = world.operator if side == "own" else world.stranger
    replay = start_replay(
        revision=Revision.objects.get(state="published"), since=now - timedelta(days=1), until=now, by=asker, now=now
    )
    wanted = Wanted(f"{side}-hook", "https://93.184.216.34/hook")
    endpoint = create_endpoint(wanted=wanted, team=team, by=admin, now=now).endpoint
    stopped_hook = create_endpoint(wanted=replace(wanted, name=f"{side}-off"), team=team, by=admin, now=now).endpoint
    disable_endpoint(endpoint=stopped_hook, reason="test", by=admin, now=now)
    channel = add_channel(name="mine", address="jsons://93.184.216.34/x", kinds=(), by=asker, now=now)
    watched = {"count": "denials", "agent": mine.slug, "more_than": 5, "per": "1h"}
    trigger = save_trigger(slug=f"{side}-trigger", document=watched, by=admin, now=now)
    firing = Firing.objects.create(
        trigger=trigger, subject=mine.slug, agent=mine, concerns=team.slug, mode="shadow", measured=6, more_than=5,
        window_seconds=3600, at=now,
    )  # fmt: skip
    return Side(text, narrow, {
        "webhook": endpoint, "stopped webhook": stopped_hook, "channel": channel,
        "delivery": send_test(endpoint=endpoint, by=admin, now=now),
        "agent": mine, "helper": helper, "paused": paused, "key": key, "spare key": spare,
        "version": second, "draft": draft, "release": release,
        # It outlives the slowest run of the matrix.
        "command": send_command(agent=mine, kind="start", ttl=LONGEST_LIFE, by=admin, now=now),
        "switch": switch, "team": team,
        "decision": _decision(done.id), "held decision": _decision(held.id), "handed decision": _decision(handed.id),
        "approved decision": request.decision,
        "instance": provision(principal=_present(text), key="instance", raw=b"{}", guard=Guard()).instance,
        "held call": held_call, "approved call": approved_call, "consumed call": consumed_call,
        "held": _held(held), "closed request": request,
        "grant": Grant.objects.get(decision=to_approve.id), "silent grant": silent,
        "queue": request.queues.get(),
        "run": reported.run, "step": reported, "failure": failures["Timeout"], "resolved failure": failures["Old"],
        "budget": Budget.objects.get(slug=f"{side}-month"), "usage": Usage.objects.get(agent=mine),
        "replay": replay, "trigger": trigger, "firing": firing,
        "entry": Entry.objects.filter(agent=mine.slug).latest("id"),
    })  # fmt: skip


def _reports(side: str) -> list[dict[str, Any]]:
    return [
        run("r-1", status="failed", error={"type": "Timeout", "message": "gone"}),
        step("s-1", "r-1", input={"prompt": MARKER}, output={"answer": MARKER}),
        run("r-2", status="failed", error={"type": "Old", "message": f"of {side}"}),
    ]


def _present(text: str) -> Principal:
    principal = authenticate(text, now=sql.now())
    assert principal is not None
    return principal


def _asker(text: str) -> Callable[[dict[str, Any]], Any]:
    def ask(body: dict[str, Any]) -> Any:
        key = f"k{Decision.objects.count()}"
        return gateway.ask(principal=_present(text), key=key, raw=json.dumps(body).encode())

    return ask


def _called(text: str, key: str) -> Decision:
    seen, _ = calls.create(principal=_present(text), key=key, raw=json.dumps(CALL).encode())
    return _decision(seen.id)


def _decision(identity: UUID) -> Decision:
    return Decision.objects.get(pk=identity)


def _held(answer: Any) -> ApprovalRequest:
    return ApprovalRequest.objects.get(decision=answer.id)


def _approve(request: ApprovalRequest, reviewer: User) -> None:
    read_and_vote(request, by=reviewer)
    request.refresh_from_db()
