"""Work for every task: what must stand in the database for it to have something to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from audit import sql
from audit.actors import System
from audit.operations import record, seal
from controlplane import gateway
from controlplane.apply import apply_document
from costs.models import BudgetAlert
from costs.operations import roll_up
from registry.authentication import Principal, authenticate
from registry.models import Agent
from registry.operations import issue_key, resume_agent, send_command
from tests.faults.requests import step_item
from tests.faults.stage import FORM, MAIL, SCOPES, Stage
from tests.world import make_agent

SPENDER = """
agents:
  spender:
    {name: Spender, owner: talent-lead, team: talent, purpose: Spends, capabilities: [read], data_scopes: [candidates],
     enforcement: advisory}
budgets:
  spender-month: {agent: spender, per: month, zone: UTC, limit_usd: "0.0001", at_limit: pause}
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A task with work.

    Attributes:
        name: of the task.
        prepare: makes work for one run of it; returns a word that only this run uses.
        effectless: it writes nothing into the database.
        repeats: every run that ends keeps a finding of its own; one that is cut short keeps none.
        arguments: what it is sent with.
    """

    name: str
    prepare: Callable[[Stage], str]
    effectless: bool = False
    repeats: bool = False
    arguments: Mapping[str, str] = field(default_factory=dict)


def _principal(text: str) -> Principal:
    principal = authenticate(text, now=sql.now())
    assert principal is not None
    return principal


def _ask(stage: Stage, ago: timedelta, **action: Any) -> None:
    """Ask as if it had been then."""
    at = sql.now() - ago
    answer = gateway.ask(
        principal=_principal(stage.key), key=stage.name(), raw=json.dumps(action).encode(), clock=lambda: at
    )
    assert answer.effect in {"allow", "review"}


def _unsealed(_stage: Stage) -> str:
    _sealed_until_now()
    for number in range(3):
        record(kind="test.noted", object_type="test", object_id=str(number), by=System("tests"), now=sql.now())
    return ""


def _sealed_until_now() -> None:
    while seal(now=sql.now(), everything=True):
        pass


def _sealed(_stage: Stage) -> str:
    _sealed_until_now()
    return ""


def _overdue(stage: Stage) -> str:
    """Requests nobody decided, grants nobody redeemed, actions nobody reported of."""
    for _ in range(2):
        _ask(stage, timedelta(hours=25), **MAIL)
        _ask(stage, timedelta(hours=1), **FORM, executor="form-filler")
        _ask(stage, timedelta(hours=25), **FORM)
    return ""


def _used(stage: Stage) -> str:
    while roll_up(now=sql.now()):
        pass
    # Sums are made again by agent: those of a new one hold nothing else.
    agent = _new_agent(stage, sql.now())
    _, key = issue_key(agent=agent, environment="production", scopes=SCOPES, by=stage.admin, now=sql.now())
    _use(key, agent.slug)
    return agent.slug


def _use(key: str, name: str) -> None:
    items = [{"type": "step", "run_id": f"run-{name}", **step_item(f"{name}-{n}", status="succeeded", error=None)}
             for n in range(2)]  # fmt: skip
    gateway.ingest(principal=_principal(key), items=items)


def _forgotten(stage: Stage) -> str:
    for _ in range(2):
        _ask(stage, timedelta(hours=25), **FORM)
    return ""


def _spent(stage: Stage) -> str:
    """A spent budget whose pause a crash has swallowed."""
    now = sql.now()
    agent = Agent.objects.select_related("team", "owner").filter(slug="spender").first()
    if agent is None:
        apply_document(text=SPENDER, by=stage.admin, now=now, dry_run=False)
        agent = Agent.objects.select_related("team", "owner").get(slug="spender")
        _, key = issue_key(agent=agent, environment="production", scopes=SCOPES, by=stage.admin, now=now)
        _use(key, stage.name())
    agent.refresh_from_db()
    if agent.state == "paused":
        resume_agent(agent=agent, by=stage.admin, now=now)
    assert BudgetAlert.objects.filter(budget_period__budget__slug="spender-month", threshold=100).update(pausing=True)
    return ""


def _ancient(stage: Stage) -> str:
    _ask(stage, timedelta(days=400), **FORM)
    return ""


def _unacknowledged(stage: Stage) -> str:
    agent = Agent.objects.select_related("team", "owner").get(slug="job-applier")
    for _ in range(2):
        send_command(agent=agent, kind="start", by=stage.admin, now=sql.now() - timedelta(hours=1))
    return ""


def _quiet(stage: Stage) -> str:
    # Those of earlier runs were heard of in the meantime.
    Agent.objects.filter(name="New").update(last_seen_at=sql.now())
    return _new_agent(stage, sql.now() - timedelta(days=10)).slug


def _new_agent(stage: Stage, then: datetime) -> Agent:
    known = Agent.objects.select_related("team", "owner").get(slug="job-applier")
    return make_agent(stage.name(), owner=known.owner, team=known.team, by=stage.admin, now=then, name="New")


def _nothing(_stage: Stage) -> str:
    """It needs no work."""
    return ""


CASES = [
    Case("audit.seal", _unsealed),
    Case("audit.seal_everything", _unsealed),
    Case("audit.verify_trail", _sealed, repeats=True, arguments={"person": "admin"}),
    Case("approvals.sweep", _overdue),
    Case("costs.roll_up", _used),
    Case("costs.expire_reservations", _forgotten),
    Case("costs.pause_spent", _spent),
    Case("policies.prune_admissions", _ancient),
    Case("registry.expire_commands", _unacknowledged),
    Case("registry.dormant_check", _quiet),
    Case("operating.heartbeat", _nothing, effectless=True),
]
