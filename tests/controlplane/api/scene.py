"""A world in which something has happened, for the API's tests: one of everything that lists show."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from approvals.models import ApprovalRequest
from audit import sql
from controlplane import gateway
from controlplane.apply import apply_document
from controlplane.gateway.answers import Answer
from registry.operations import send_command
from tests.world import World, make_world

DOCUMENT = """
teams:
  desk: {name: Desk, members: [talent-reviewer, second-reviewer]}
queues:
  outreach: {reviewers: [desk], quorum: 1, ttl: 24h, edits: true, editor_may_approve: false}
policies:
  job-applications:
    applies_to: {agents: [job-applier]}
    mode: enforce
    rules:
      - allow:  {name: submit, verb: form.submit, destination: "https://jobs.example.com/*", batch: 25}
      - review: {name: mail, verb: "email.**", queue: outreach}
budgets:
  talent-month: {team: talent, per: month, zone: UTC, limit_usd: "200.00", reserve_usd: "0.05", at_limit: deny}
"""
FORM: dict[str, Any] = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/apply", "name": "Ada"}}
MAIL: dict[str, Any] = {"verb": "email.send", "payload": {"to": ["jane@acme.com"], "body": "Dear Jane"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What was built.

    Attributes:
        world: people, teams, the agent and its key.
        allowed: the answer to `FORM`.
        held: the request that `MAIL` is held in.
    """

    world: World
    allowed: Answer
    held: ApprovalRequest


def make_ruled_world() -> World:
    """Build a world with a queue, a policy and a budget."""
    now = sql.now()
    world = make_world(now=now)
    apply_document(text=DOCUMENT, by=world.admin, now=now, dry_run=False)
    return world


def make_scene() -> Scene:
    """Build a ruled world in which the agent has asked, reported and been told."""
    world = make_ruled_world()
    allowed = ask(world, "form", **FORM)
    held = hold(world, "mail")
    gateway.ingest(principal=principal(world), items=reports())
    send_command(agent=world.agent, kind="start", by=world.operator, now=sql.now())
    return Scene(world=world, allowed=allowed, held=held)


def principal(world: World) -> Any:
    """Return whoever presents the key."""
    return world.principal


def ask(world: World, key: str, **action: Any) -> Answer:
    """Ask through the gateway."""
    return gateway.ask(principal=principal(world), key=key, raw=json.dumps(action).encode())


def hold(world: World, key: str) -> ApprovalRequest:
    """Have an email held."""
    return ApprovalRequest.objects.get(decision=ask(world, key, **MAIL).id)


def reports() -> list[dict[str, Any]]:
    """Return a run that failed in a model call."""
    return [run("run-1", status="failed", error={"type": "Timeout", "message": "gone"}), step("step-1", "run-1")]


def run(event_id: str, **other: Any) -> dict[str, Any]:
    """Return a report of a run."""
    now = sql.now().isoformat()
    trigger = {"source": "webhook", "detail": "form"}
    return {"type": "run", "event_id": event_id, "trigger": trigger, "started_at": now, "status": "running", **other}


def step(event_id: str, run_id: str, **other: Any) -> dict[str, Any]:
    """Return a report of a model call."""
    usage = {"provider": "openai", "model": "gpt-4o-mini", "input_uncached": 1200, "output": 350}
    return {
        "type": "step", "event_id": event_id, "run_id": run_id, "name": "draft", "kind": "llm",
        "started_at": sql.now().isoformat(), "duration_ms": 900, "status": "failed",
        "error": {"type": "Timeout", "message": "gone"}, "input": {"prompt": "hello"}, "usage": usage, **other,
    }  # fmt: skip
