"""One good request for each write of the API, against a world in which it is accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from approvals.models import ApprovalRequest, Grant
from audit import sql
from controlplane import gateway
from controlplane.delivery.models import Endpoint
from controlplane.delivery.operations import (
    Wanted,
    create_endpoint,
    digest_of,
    disable_endpoint,
    give_up_old,
    send_test,
)
from policies.models import Firing, Revision, Trigger
from registry.models import Agent, Command
from registry.operations import create_version, pause_agent, promote
from registry.states import KeyScope
from runs.models import Run
from tests.badinput.routes import Route
from tests.controlplane.api.callers import Caller, agent, person
from tests.controlplane.api.scene import FORM, MAIL, Scene, principal, run, step
from tests.world import make_agent, make_key

_NO_ID = "00000000-0000-7000-8000-000000000000"
NOWHERE = {"uuid": _NO_ID, "str": _NO_ID, "slug": "no-such-thing", "int": 999_999}
POLICIES: dict[str, Any] = {
    "other": {
        "applies_to": {"teams": ["talent"]},
        "mode": "enforce",
        "rules": [{"allow": {"name": "submit", "verb": "form.submit", "destination": "https://jobs.example.com/*"}}],
    }
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Attributes:
        values: of the variables in the path.
        body: what is sent as JSON; None: nothing.
        headers: with underscores for hyphens.
    """

    values: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How a write is called well.

    Attributes:
        make: prepares the world and says what to send.
        who: ``agent``, or the attribute of `World` that is the person.
        stranger: who does not see the object: another agent, or the attribute of a person.
        scope: what the agent's key must carry.
        is_report: 5 MiB, gzip and numbers in any form are read.
        takes: field of the body, by JSON pointer, whose text is kept.
    """

    make: Callable[[Scene], Call]
    who: str = "agent"
    stranger: str = "stranger"
    scope: str = ""
    is_report: bool = False
    takes: str = ""

    def caller(self, scene: Scene) -> Caller:
        """Return who calls."""
        return agent(scene.world.text) if self.who == "agent" else person(getattr(scene.world, self.who))

    def foreigner(self, scene: Scene) -> Caller:
        """Return somebody who has every right, elsewhere."""
        world = scene.world
        if self.who != "agent":
            return person(getattr(world, self.stranger))
        other = make_agent("other-agent", owner=world.stranger, team=world.other, by=world.admin, now=sql.now())
        return agent(make_key(other, by=world.admin, now=sql.now())[1])


def _redeem(scene: Scene) -> Call:
    digest = approve(scene)
    return Call({"action_id": scene.held.decision_id}, {"digest": digest}, {"Idempotency_Key": "redeem"})


def approve(scene: Scene) -> str:
    """Approve what is held; return its digest."""
    reviewer = person(scene.world.reviewer)
    digest: str = reviewer.get(f"/approvals/{scene.held.pk}").json()["digest"]
    body = {"verdict": "approve", "digest": digest}
    answer = reviewer.send("POST", f"/approvals/{scene.held.pk}/votes", body, If_Match='"1"')
    assert answer.status_code == 200, answer.content
    return digest


def _ack(_scene: Scene) -> Call:
    return Call({"command_id": Command.objects.get(kind="start").pk}, {"status": "succeeded", "note": "up"})


def _run(_scene: Scene) -> Call:
    return Call(body=_untyped(run("run-2", task="screen", output_summary="half")))


def _change(scene: Scene) -> Call:
    gateway.ingest(principal=principal(scene.world), items=[run("run-3")])
    body = {"status": "failed", "output_summary": "none"}
    return Call({"run": Run.objects.get(event_id="run-3").pk}, body)


def _step(_scene: Scene) -> Call:
    body = _untyped(step("step-2", "run-1"))
    del body["run_id"]
    return Call({"run": Run.objects.get(event_id="run-1").pk}, body)


def _untyped(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name != "type"}


def _resume(scene: Scene) -> Call:
    now = sql.now()
    pause_agent(agent=Agent.objects.get(slug="job-applier"), reason="r", by=scene.world.admin, now=now)
    return Call({"slug": "job-applier"}, {"reason": "fine again"})


def _promote(scene: Scene) -> Call:
    create_version(agent=scene.world.agent, definition={"n": 2}, by=scene.world.admin, now=sql.now())
    return Call(body={"agent": "job-applier", "version": 2, "environment": "production"})


def _roll_back(scene: Scene) -> Call:
    version = create_version(agent=scene.world.agent, definition={"n": 2}, by=scene.world.admin, now=sql.now())
    promote(version=version, environment="production", by=scene.world.admin, now=sql.now())
    return Call(body={"agent": "job-applier", "environment": "production"})


def _publish(scene: Scene) -> Call:
    return drafted(scene, {"reason": "now"})


def drafted(scene: Scene, body: Any) -> Call:
    """Return a call on a fresh draft, with the tag that was read."""
    number = draft(scene)
    etag = person(scene.world.admin).get(f"/policies/{number}")["ETag"]
    return Call({"number": number}, body, {"If_Match": etag})


def draft(scene: Scene) -> int:
    """Keep a draft; return its number."""
    answer = person(scene.world.admin).send("POST", "/policies", {"policies": POLICIES, "reason": "why"})
    number: int = answer.json()["number"]
    return number


def _period() -> dict[str, Any]:
    now = sql.now()
    return {"since": (now - timedelta(days=1)).isoformat(), "until": now.isoformat()}


def _replay(scene: Scene) -> Call:
    number = draft(scene)
    answer = person(scene.world.admin).send("POST", f"/policies/{number}/replays", {})
    return Call({"id": answer.json()["id"]})


_TRIGGER: dict[str, Any] = {"count": "denials", "agent": "job-applier", "more_than": 9, "per": "1h", "note": "why"}


def _trigger(scene: Scene) -> str:
    answer = person(scene.world.operator).send("POST", "/triggers", {**_TRIGGER, "slug": "many"})
    slug: str = answer.json()["slug"]
    return slug


def _change_trigger(scene: Scene) -> Call:
    slug = _trigger(scene)
    etag = person(scene.world.operator).get(f"/triggers/{slug}")["ETag"]
    return Call({"slug": slug}, {**_TRIGGER, "more_than": 4}, {"If_Match": etag})


def _firing(scene: Scene) -> Call:
    trigger = Trigger.objects.get(slug=_trigger(scene))
    firing = Firing.objects.create(
        trigger=trigger, subject="job-applier", agent=scene.world.agent, concerns="talent", mode="warn", measured=10,
        more_than=9, window_seconds=3600, at=sql.now(),
    )  # fmt: skip
    return Call({"id": firing.pk})


def _restore(scene: Scene) -> Call:
    call = _publish(scene)
    path = f"/policies/{call.values['number']}/publish"
    assert person(scene.world.admin).send("POST", path, call.body, **call.headers).status_code == 200
    return Call({"number": Revision.objects.order_by("number").first().number}, {"reason": "back"})  # type: ignore[union-attr]


def _vote(scene: Scene) -> Call:
    held = ApprovalRequest.objects.get(pk=scene.held.pk)
    digest = person(scene.world.reviewer).get(f"/approvals/{held.pk}").json()["digest"]
    body = {"verdict": "approve", "digest": digest, "comment": "fine"}
    return Call({"id": held.pk}, body, {"If_Match": '"1"'})


def _edit(scene: Scene) -> Call:
    payload = {**MAIL["payload"], "body": "Dear Ms Doe"}
    return Call({"id": scene.held.pk}, {"payload": payload}, {"If_Match": '"1"'})


def _grant(scene: Scene) -> Call:
    approve(scene)
    return Call({"id": Grant.objects.get(decision=scene.held.decision_id).pk}, {"reason": "no longer"})


def _switch(scene: Scene) -> int:
    body = {"scope": "team", "value": "talent", "reason": "fire"}
    number: int = person(scene.world.operator).send("POST", "/kill-switches", body).json()["id"]
    return number


def _let_out(scene: Scene) -> Call:
    return Call({"id": _switch(scene)}, {"agent": "job-applier", "reason": "needed"})


def _let_back(scene: Scene) -> Call:
    call = _let_out(scene)
    path = f"/kill-switches/{call.values['id']}/exemptions"
    answer = person(scene.world.operator).send("POST", path, call.body)
    assert answer.status_code in {200, 201}, answer.content
    return Call({**call.values, "agent": "job-applier"})


def _discard(scene: Scene) -> Call:
    version = create_version(agent=scene.world.agent, definition={"n": 2}, by=scene.world.admin, now=sql.now())
    return Call({"id": version.pk}, None)


def _simulate(_scene: Scene) -> Call:
    return Call(body={"agent": "job-applier", "action": FORM, "environment": "staging"})


def _command(_scene: Scene) -> Call:
    return Call({"slug": "job-applier"}, {"kind": "dispatch", "parameters": {"task": "x"}, "ttl_seconds": 60})


def _version(_scene: Scene) -> Call:
    return Call(body={"agent": "job-applier", "definition": {"prompt": "p"}, "note": "n"})


HOOK = {"name": "hook", "url": "https://93.184.216.34/hook"}


def _hook(scene: Scene, *, off: bool = False) -> Endpoint:
    wanted = Wanted("old", HOOK["url"])
    made = create_endpoint(wanted=wanted, team=scene.world.team, by=scene.world.operator, now=sql.now()).endpoint
    if off:
        disable_endpoint(endpoint=made, reason="old", by=scene.world.operator, now=sql.now())
    return made


def _given_up(scene: Scene) -> Call:
    hook, now = _hook(scene), sql.now()
    send_test(endpoint=hook, by=scene.world.operator, now=now - timedelta(days=30))
    give_up_old(now=now)
    return Call({"id": hook.pk})


def _edit_hook(scene: Scene) -> Call:
    hook = _hook(scene)
    return Call({"id": hook.pk}, {**HOOK, "kinds": ["approval.*"]}, {"If_Match": f'"{digest_of(hook)}"'})


def _sent(scene: Scene) -> Call:
    return Call({"id": send_test(endpoint=_hook(scene), by=scene.world.operator, now=sql.now()).pk})


_V = "api/v1/"
_WEBHOOK, _DELIVERY = _V + "webhooks/<uuid:id>", _V + "deliveries/<uuid:id>"
_ACTION = _V + "actions/<uuid:action_id>"
_AGENT = _V + "agents/<slug:slug>"
_NUMBER = _V + "policies/<int:number>"
_SWITCH = _V + "kill-switches/<int:id>"
_HELD = _V + "approvals/<uuid:id>"
_ACT, _INGEST = KeyScope.ACT, KeyScope.INGEST

SAMPLES: dict[Route, Sample] = {
    Route("POST", _V + "actions"): Sample(
        make=lambda _: Call(body={**FORM, "purpose": "apply"}, headers={"Idempotency_Key": uuid4().hex}),
        scope=_ACT, takes="/purpose",
    ),
    Route("DELETE", _ACTION): Sample(make=lambda scene: Call({"action_id": scene.held.decision_id}), scope=_ACT),
    Route("POST", _ACTION + "/redeem"): Sample(make=_redeem, scope=_ACT),
    Route("POST", _ACTION + "/outcome"): Sample(
        make=lambda scene: Call({"action_id": scene.allowed.id}, {"status": "succeeded", "note": "250 OK"}),
        scope=_ACT, takes="/note",
    ),
    Route("POST", _V + "commands/<uuid:command_id>/ack"): Sample(make=_ack, takes="/note"),
    Route("POST", _V + "ingest"): Sample(
        make=lambda _: Call(body={"items": [run("run-2"), step("step-2", "run-2")]}), scope=_INGEST, is_report=True,
    ),
    Route("POST", _V + "runs"): Sample(make=_run, scope=_INGEST, is_report=True, takes="/task"),
    Route("PATCH", _V + "runs/<str:run>"): Sample(make=_change, scope=_INGEST, is_report=True, takes="/output_summary"),
    Route("POST", _V + "runs/<str:run>/steps"): Sample(make=_step, scope=_INGEST, is_report=True, takes="/name"),
    Route("POST", _AGENT + "/pause"): Sample(
        make=lambda _: Call({"slug": "job-applier"}, {"reason": "odd"}), who="operator", takes="/reason",
    ),
    Route("POST", _AGENT + "/resume"): Sample(make=_resume, who="operator", takes="/reason"),
    Route("POST", _AGENT + "/commands"): Sample(make=_command, who="operator", takes="/parameters/task"),
    Route("POST", _V + "versions"): Sample(make=_version, who="operator", takes="/note"),
    Route("POST", _V + "versions/<int:id>/discard"): Sample(make=_discard, who="operator"),
    Route("POST", _V + "kill-switches"): Sample(
        make=lambda _: Call(body={"scope": "team", "value": "talent", "reason": "fire"}),
        who="operator", takes="/reason",
    ),
    Route("POST", _SWITCH + "/lift"): Sample(
        make=lambda scene: Call({"id": _switch(scene)}, {"reason": "out"}), who="operator", takes="/reason",
    ),
    Route("POST", _SWITCH + "/exemptions"): Sample(make=_let_out, who="operator", takes="/reason"),
    Route("DELETE", _SWITCH + "/exemptions/<slug:agent>"): Sample(make=_let_back, who="operator"),
    Route("POST", _V + "releases"): Sample(make=_promote, who="operator"),
    Route("POST", _V + "releases/rollback"): Sample(make=_roll_back, who="operator"),
    Route("POST", _V + "policies"): Sample(
        make=lambda _: Call(body={"policies": POLICIES, "reason": "why"}), who="admin", takes="/reason",
    ),
    Route("PUT", _V + "policies/<int:number>"): Sample(
        make=lambda scene: drafted(scene, {"policies": POLICIES, "reason": "anew"}),
        who="admin", stranger="reviewer", takes="/reason",
    ),
    Route("DELETE", _V + "policies/<int:number>"): Sample(
        make=lambda scene: drafted(scene, None), who="admin", stranger="reviewer",
    ),
    Route("POST", _NUMBER + "/publish"): Sample(make=_publish, who="admin", stranger="reviewer", takes="/reason"),
    Route("POST", _NUMBER + "/rollback"): Sample(make=_restore, who="admin", stranger="reviewer", takes="/reason"),
    Route("POST", _NUMBER + "/replays"): Sample(
        make=lambda scene: Call({"number": draft(scene)}, _period()), who="admin", stranger="reviewer",
    ),
    Route("POST", _V + "replays/<uuid:id>/cancel"): Sample(make=_replay, who="admin"),
    Route("POST", _V + "triggers"): Sample(
        make=lambda _: Call(body={**_TRIGGER, "slug": "many"}), who="operator", takes="/note",
    ),
    Route("PUT", _V + "triggers/<slug:slug>"): Sample(make=_change_trigger, who="operator", takes="/note"),
    Route("POST", _V + "triggers/<slug:slug>/try"): Sample(
        make=lambda scene: Call({"slug": _trigger(scene)}), who="operator",
    ),
    Route("POST", _V + "firings/<uuid:id>/rearm"): Sample(make=_firing, who="operator"),
    Route("POST", _V + "policies/simulate"): Sample(make=_simulate, who="operator"),
    Route("POST", _V + "webhooks"): Sample(
        make=lambda _: Call(body={**HOOK, "team": "talent"}), who="operator", takes="/name",
    ),
    Route("PUT", _WEBHOOK): Sample(make=_edit_hook, who="operator", takes="/name"),
    Route("DELETE", _WEBHOOK): Sample(make=lambda scene: Call({"id": _hook(scene, off=True).pk}), who="operator"),
    Route("POST", _WEBHOOK + "/secret"): Sample(make=lambda scene: Call({"id": _hook(scene).pk}), who="operator"),
    Route("POST", _WEBHOOK + "/test"): Sample(make=lambda scene: Call({"id": _hook(scene).pk}), who="operator"),
    Route("POST", _WEBHOOK + "/replay"): Sample(make=_given_up, who="operator"),
    Route("POST", _WEBHOOK + "/enable"): Sample(
        make=lambda scene: Call({"id": _hook(scene, off=True).pk}), who="operator",
    ),
    Route("POST", _WEBHOOK + "/disable"): Sample(
        make=lambda scene: Call({"id": _hook(scene).pk}, {"reason": "moving"}), who="operator", takes="/reason",
    ),
    Route("POST", _DELIVERY + "/retry"): Sample(make=_sent, who="operator"),
    Route("POST", _DELIVERY + "/cancel"): Sample(make=_sent, who="operator"),
    Route("POST", _HELD + "/votes"): Sample(make=_vote, who="reviewer", takes="/comment"),
    Route("POST", _V + "grants/<uuid:id>/revoke"): Sample(make=_grant, who="reviewer", takes="/reason"),
    Route("PUT", _HELD + "/action"): Sample(make=_edit, who="reviewer", takes="/payload/body"),
}  # fmt: skip
