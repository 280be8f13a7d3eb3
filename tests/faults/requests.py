"""The requests that meet the faults: each prepared afresh, sent, and sent again in the same words."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import Error
from django.http import HttpResponse, JsonResponse

from audit import sql
from controlplane.apply import apply_document
from costs.operations import pause_spent
from registry.models import Agent, AgentKey, Team
from registry.operations import issue_key
from tests.controlplane.api.callers import Caller, agent
from tests.faults.stage import FORM, MAIL, NOTE, READ, SCOPES, Stage, edit


@dataclass(frozen=True, slots=True)
class Prepared:
    """One request, ready to be sent.

    Attributes:
        send: sends it; every time in the same words.
        names: words that only this one uses.
    """

    send: Callable[[], Any]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A kind of request.

    Attributes:
        name: what tests call it.
        prepare: sets one up.
        good: statuses of success.
        effect: of the decision, where it is an ask.
        again: what the same request is told once it has had its effect.
        noted_again: kind of the entry that the same request adds once it has had its effect, or empty.
        mend: what the schedule does for a request whose last part, behind the commit, has failed.
    """

    name: str
    prepare: Callable[[Stage], Prepared]
    good: frozenset[int] = frozenset({200})
    effect: str = ""
    again: frozenset[int] = frozenset({200})
    noted_again: str = ""
    mend: Callable[[], object] = lambda: None

    def succeeded(self, answer: Any) -> bool:
        """Whether the answer is the one of a request that met no fault."""
        if answer.status_code not in self.good:
            return False
        return not self.effect or json.loads(answer.content)["effect"] == self.effect


def _ask(**action: Any) -> Callable[[Stage], Prepared]:
    def prepare(stage: Stage) -> Prepared:
        name = stage.name()
        return Prepared(lambda: stage.agent.send("POST", "/actions", action, Idempotency_Key=name), (name,))

    return prepare


def _ask_review(stage: Stage) -> Prepared:
    stage.make_room()
    return _ask(**MAIL)(stage)


def _ask_in_a_run(stage: Stage) -> Prepared:
    name = stage.name()
    action = {**FORM, "run_id": f"run-{name}", "step": "submit", "task": "apply"}
    return Prepared(lambda: stage.agent.send("POST", "/actions", action, Idempotency_Key=name), (name,))


def _ask_with_a_key_never_used(stage: Stage) -> Prepared:
    AgentKey.objects.update(last_used_at=None)
    return _ask(**FORM)(stage)


def _redeem(caller: Caller, action: object, digest: str, name: str) -> Prepared:
    body = {"digest": digest}
    return Prepared(lambda: caller.send("POST", f"/actions/{action}/redeem", body, Idempotency_Key=name), (name,))


def _redeem_own(stage: Stage) -> Prepared:
    held = stage.approve(stage.hold())
    return _redeem(stage.agent, held.action, held.digest, stage.name())


def _redeem_edited(stage: Stage) -> Prepared:
    held = stage.approve(stage.edit(stage.hold()), revision=2)
    return _redeem(stage.agent, held.action, held.digest, stage.name())


def _redeem_other(stage: Stage) -> Prepared:
    answer = stage.ask(**FORM, executor="form-filler")
    return _redeem(stage.executor, answer["id"], answer["digest"], stage.name())


def _vote_completing(stage: Stage) -> Prepared:
    held = stage.hold()
    stage.read(stage.reviewer, held)
    stage.read(stage.second, held)
    assert stage.vote(stage.reviewer, held).status_code == 200
    return Prepared(lambda: stage.vote(stage.second, held))


def _vote_first(stage: Stage) -> Prepared:
    held = stage.hold()
    stage.read(stage.reviewer, held)
    return Prepared(lambda: stage.vote(stage.reviewer, held))


def _vote_reject(stage: Stage) -> Prepared:
    held = stage.hold()
    return Prepared(lambda: stage.vote(stage.second, held, "reject"))


def _edit(stage: Stage) -> Prepared:
    held = stage.hold()
    stage.read(stage.reviewer, held)
    assert stage.vote(stage.reviewer, held).status_code == 200
    return Prepared(lambda: edit(stage.second, held))


def _read_bytes(stage: Stage) -> Prepared:
    held = stage.hold()
    return Prepared(lambda: stage.reviewer.get(f"/approvals/{held.approval}"))


def _outcome(stage: Stage) -> Prepared:
    action = stage.ask(**FORM)["id"]
    return Prepared(lambda: stage.agent.send("POST", f"/actions/{action}/outcome", {"status": "succeeded"}))


def _cancel_held(stage: Stage) -> Prepared:
    held = stage.hold()
    return Prepared(lambda: stage.agent.send("DELETE", f"/actions/{held.action}"))


def _cancel_granted(stage: Stage) -> Prepared:
    action = stage.ask(**FORM, executor="form-filler")["id"]
    return Prepared(lambda: stage.agent.send("DELETE", f"/actions/{action}"))


def run_item(name: str, **other: Any) -> dict[str, Any]:
    """Return a report of a run."""
    return {
        "event_id": f"run-{name}", "trigger": {"source": "webhook"}, "started_at": sql.now().isoformat(),
        "status": "running", "task": "apply", **other,
    }  # fmt: skip


def step_item(name: str, **other: Any) -> dict[str, Any]:
    """Return a report of a model call that failed, with what it used."""
    usage = {"provider": "openai", "model": "gpt-4o-mini", "input_uncached": 1200, "output": 350}
    return {
        "event_id": f"step-{name}", "name": "draft", "kind": "llm", "started_at": sql.now().isoformat(),
        "duration_ms": 900, "status": "failed", "error": {"type": "Timeout", "message": "gone"},
        "input": {"prompt": "hello"}, "usage": usage, **other,
    }  # fmt: skip


def _ingest_runs(stage: Stage) -> Prepared:
    name = stage.name()
    items = [{"type": "run", **run_item(f"{name}-{number}")} for number in range(3)]
    return Prepared(lambda: stage.agent.send("POST", "/ingest", {"items": items}), (name,))


def _ingest_steps(stage: Stage) -> Prepared:
    """A batch of steps that come before their runs, and one of a run that it brings."""
    name = stage.name()
    steps = [{"type": "step", "run_id": f"run-{name}-{n}", **step_item(f"{name}-{n}", usage=None)} for n in range(3)]
    items = [*steps, {"type": "run", **run_item(f"{name}-0", status="failed")}]
    return Prepared(lambda: stage.agent.send("POST", "/ingest", {"items": items}), (name,))


def _ingest_usage(stage: Stage) -> Prepared:
    """A batch of usage of which some settles a reservation."""
    name = stage.name()
    action = stage.ask(**FORM)["id"]
    items = [{"type": "run", **run_item(name)}]
    items += [
        {"type": "step", "run_id": f"run-{name}", **step_item(f"{name}-{n}", action_id=action if n < 2 else None)}
        for n in range(3)
    ]
    return Prepared(lambda: stage.agent.send("POST", "/ingest", {"items": items}), (name,))


def _ingest_spending(stage: Stage) -> Prepared:
    """Usage that spends a budget, so that its agent is paused behind the commit."""
    name = stage.name()
    now = sql.now()
    apply_document(text=SPENDER.replace("SPENDER", name), by=stage.admin, now=now, dry_run=False)
    spender = Agent.objects.select_related("team", "owner").get(slug=name)
    _, key = issue_key(agent=spender, environment="production", scopes=SCOPES, by=stage.admin, now=now)
    caller = agent(key)
    # The key's first use is written down before the fault.
    assert caller.get("/self").status_code == 200
    items = [{"type": "step", "run_id": f"run-{name}", **step_item(name, status="succeeded", error=None)}]
    secret = key.split("_")[2]
    return Prepared(lambda: caller.send("POST", "/ingest", {"items": items}), (name, secret))


def _report_run(stage: Stage) -> Prepared:
    name = stage.name()
    body = run_item(name)
    return Prepared(lambda: stage.agent.send("POST", "/runs", body), (name,))


def _known_run(stage: Stage) -> tuple[str, str]:
    name = stage.name()
    answer = stage.agent.send("POST", "/runs", run_item(name))
    assert answer.status_code == 201, answer.content
    return name, answer.json()["id"]


def _report_step(stage: Stage) -> Prepared:
    name, run = _known_run(stage)
    body = step_item(name)
    return Prepared(lambda: stage.agent.send("POST", f"/runs/{run}/steps", body), (name,))


def _change_run(stage: Stage) -> Prepared:
    name, run = _known_run(stage)
    body = {"status": "succeeded", "output_summary": "done"}
    return Prepared(lambda: stage.agent.send("PATCH", f"/runs/{run}", body), (name,))


def _apply(stage: Stage) -> Prepared:
    """The command, which has no status: what it raises is what a shell would see."""
    number = int(Team.objects.get().name.removeprefix("Talent ")) + 1
    text = stage.document.replace("units: 1000000,", f"units: {1_000_000 + number},")
    text = text.replace("100000.00", f"{100_000 + number}.00").replace("Talent 5000,", f"Talent {number},")
    text = text.replace("agents:\n", f"  verb.n{number}: {{capability: read}}\nagents:\n", 1)
    text = text.replace("ttl: 24h", f"ttl: {number}m")

    def send() -> HttpResponse:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "document.yaml")
            path.write_text(text, encoding="utf-8")
            try:
                call_command("apply", str(path), "--by", "admin", stdout=StringIO())
            # A closed SQLite connection fails below Django, too.
            except (Error, sqlite3.Error) as error:
                return JsonResponse({"detail": str(error)}, status=500)
        return HttpResponse(status=200)

    own = (number, number - 1, 1_000_000 + number, 100_000 + number, (100_000 + number) * 10**9, number * 60)
    return Prepared(send, tuple(map(str, own)))


SPENDER = """
agents:
  SPENDER:
    {name: Spender, owner: talent-lead, team: talent, purpose: Spends, capabilities: [read], data_scopes: [candidates],
     enforcement: advisory}
budgets:
  SPENDER-month: {agent: SPENDER, per: month, zone: UTC, limit_usd: "0.0001", at_limit: pause}
"""
_GONE = frozenset({409})
REQUESTS = [
    Request("ask: allow", _ask(**FORM), effect="allow"),
    Request("ask: allow, in a run nobody reported", _ask_in_a_run, effect="allow"),
    Request("ask: allow, with a key never used", _ask_with_a_key_never_used, effect="allow"),
    Request("ask: allow for another agent", _ask(**FORM, executor="form-filler"), effect="allow"),
    Request("ask: deny", _ask(**READ), effect="deny"),
    Request("ask: review", _ask_review, frozenset({202}), "review", frozenset({202})),
    Request("ask: throttle", _ask(**NOTE), effect="throttle"),
    Request("ask: dry run", _ask(**FORM, dry_run=True), effect="allow"),
    Request("vote: the first", _vote_first, noted_again="approval.vote_replaced"),
    Request("vote: completing the quorum", _vote_completing, again=_GONE),
    Request("vote: reject", _vote_reject, again=_GONE),
    Request("edit", _edit, again=frozenset({412})),
    Request("reading the bytes", _read_bytes, noted_again="payload.read"),
    Request("redeem: own", _redeem_own),
    Request("redeem: handed over", _redeem_other),
    Request("redeem: after an edit", _redeem_edited),
    Request("outcome", _outcome),
    Request("cancel: held", _cancel_held, again=_GONE),
    Request("cancel: granted", _cancel_granted, again=_GONE),
    Request("ingest: runs", _ingest_runs),
    Request("ingest: steps", _ingest_steps),
    Request("ingest: usage", _ingest_usage),
    Request("ingest: usage that spends a budget", _ingest_spending, mend=lambda: pause_spent(now=sql.now())),
    Request("run: report", _report_run, frozenset({200, 201})),
    Request("run: step", _report_step, frozenset({200, 201})),
    Request("run: change", _change_run),
    Request("apply", _apply),
]
