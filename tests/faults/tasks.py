"""Work for every task: what must stand in the database for it to have something to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from approvals.models import ApprovalRequest, Grant, Queue
from approvals.operations import cancel_request, expire_grant
from audit import sql
from audit.actors import System
from audit.ids import new_id
from audit.models import Seal
from audit.operations import record, seal
from controlplane import gateway
from controlplane.apply import apply_document
from controlplane.delivery.models import Channel, Cursor, Delivery, Endpoint
from controlplane.delivery.operations import Wanted, add_channel, cancel, create_endpoint, send_test
from controlplane.delivery.tasks import follow_trail
from controlplane.gateway.bodies import convert
from controlplane.gateway.callbacks import keep
from controlplane.protocols.aap import calls
from controlplane.protocols.aap.instances import Wanted as Provisioning
from controlplane.protocols.aap.instances import register
from controlplane.protocols.aap.models import Instance
from costs.models import BudgetAlert
from costs.operations import roll_up
from policies.models import Replay, Revision, Trigger
from policies.operations import save_trigger, start_replay
from policies.states import TriggerMode
from registry.authentication import Principal, authenticate
from registry.models import Agent, User
from registry.operations import issue_key, resume_agent, send_command
from tests.delivery.sink import NAME as SINK
from tests.delivery.sink import guarded
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

ESCALATING = """
queues:
  chiefs: {reviewers: [talent]}
  outreach: {escalate: {after: 1h, to: chiefs}}
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
        afterwards: what time does, between a crash and the run that makes up for it.
    """

    name: str
    prepare: Callable[[Stage], str]
    effectless: bool = False
    repeats: bool = False
    arguments: Mapping[str, str] = field(default_factory=dict)
    afterwards: Callable[[], None] = lambda: None


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


def _unused(stage: Stage) -> str:
    """Actions that were handed over, and whose grants nobody redeemed."""
    for _ in range(2):
        _ask(stage, timedelta(hours=1), **FORM, executor="form-filler")
    for grant in Grant.objects.lapsed(sql.now()).select_related("agent"):
        expire_grant(grant=grant, by=System("tests"), now=sql.now())
    return ""


def _waiting(stage: Stage) -> str:
    """Requests of which nobody was reminded, and that a queue lets escalate."""
    if not Queue.objects.filter(slug="chiefs").exists():
        apply_document(text=ESCALATING, by=stage.admin, now=sql.now(), dry_run=False)
    # An agent may have so many waiting: those of earlier runs make room.
    for earlier in ApprovalRequest.objects.open().select_related("agent"):
        cancel_request(request=earlier, by=stage.admin, now=sql.now(), reason="an earlier run")
    for _ in range(2):
        _ask(stage, timedelta(hours=20), **MAIL)
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


def _asked_again(stage: Stage) -> str:
    """A replay that nobody works on yet."""
    Replay.objects.unfinished().delete()
    published, now = Revision.objects.get(state="published"), sql.now()
    # A stretch before anything was decided: another run's decisions would change the counts.
    since = now - timedelta(days=300)
    start_replay(revision=published, since=since, until=since + timedelta(days=1), by=stage.admin, now=now)
    return ""


def _above(stage: Stage) -> str:
    """An agent that is above the threshold of its trigger."""
    # Each trigger that is on is looked at: with those of earlier runs the task would grow as fast as it is killed.
    Trigger.objects.update(mode=TriggerMode.OFF)
    now = sql.now()
    agent = _new_agent(stage, now)
    document = {"count": "denials", "agent": agent.slug, "more_than": 1, "per": "1h", "mode": "enforce"}
    save_trigger(slug=agent.slug, document=document, by=stage.admin, now=now, try_first=True)
    for _ in range(2):
        record(
            kind="action.decided", object_type="action", object_id="test", by=System("tests"), now=now,
            team=agent.team.slug, agent=agent.slug, outcome="deny", details={"codes": ["no_rule"]},
        )  # fmt: skip
    _sealed_until_now()
    return agent.slug


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


def _endpoint(stage: Stage) -> Endpoint:
    """Return an endpoint for everybody's events at a host that nobody listens on."""
    found = Endpoint.objects.filter(name="stage").first()
    if found is None:
        wanted = Wanted("stage", f"http://{SINK}:1/", kinds=["test.*"])
        found = create_endpoint(wanted=wanted, team=None, by=stage.admin, now=sql.now(), guard=guarded()).endpoint
    return found


def _channel() -> None:
    """Have a reviewer be told of what waits for them, at a host that nobody listens on."""
    reviewer = User.objects.get(username="second-reviewer")
    if not Channel.objects.filter(user=reviewer).exists():
        address = f"jsons://{SINK}/x"
        add_channel(name="stage", address=address, kinds=["waiting"], by=reviewer, now=sql.now(), guard=guarded())


def _untold(stage: Stage) -> str:
    """Entries that nobody read or sealed yet, and who wants them: an endpoint, a channel, an agent's callback."""
    _endpoint(stage)
    _channel()
    while follow_trail():
        pass
    # The broker is away here: what its stream did not take would be read again and again, and more of it each time.
    Cursor.objects.update_or_create(name="stream", defaults={"seq": Seal.objects.latest("seq").seq})
    held = ApprovalRequest.objects.select_related("agent").get(pk=stage.hold().approval)
    keep(held, "https://93.184.216.34/hook")
    cancel_request(request=held, by=stage.admin, now=sql.now(), reason="it is told of")
    return _unsealed(stage)


def _unanswered(stage: Stage) -> str:
    """A tool call with its final answer, which the installation that made it is to be told."""
    principal = _principal(stage.key)
    if not Instance.objects.exists():
        secret = "whsec_" + "A" * 43 + "="
        receiver = {"type": "webhook", "url": "https://hooks.example.com/", "registration_id": new_id(),
                    "signing_secret": secret}  # fmt: skip
        wanted = convert({"delivery": receiver}, Provisioning)
        register(principal, "stage", "0" * 64, new_id(), wanted, now=sql.now() - timedelta(minutes=1))
    call = {"tool": "shell", "arguments": {}, "timeout": "1m"}
    calls.create(principal=principal, key=stage.name(), raw=json.dumps(call).encode())
    _sealed_until_now()
    return ""


def _unsent(stage: Stage) -> str:
    """A delivery whose host is no longer admitted: what is tried fails at once, without a connection."""
    endpoint = _endpoint(stage)
    Delivery.objects.open().update(state="cancelled")
    Endpoint.objects.update(state="active", failures=0)
    send_test(endpoint=endpoint, by=stage.admin, now=sql.now())
    return ""


def _released() -> None:
    """Claims of the dead end with their time."""
    Delivery.objects.update(claimed_until=None)


def _held_back(stage: Stage) -> str:
    send_test(endpoint=_endpoint(stage), by=stage.admin, now=sql.now() - timedelta(days=30))
    return ""


def _long_over(stage: Stage) -> str:
    """Two deliveries that were cancelled two months ago."""
    for _ in range(2):
        row = send_test(endpoint=_endpoint(stage), by=stage.admin, now=sql.now() - timedelta(days=60))
        cancel(delivery=row, by=stage.admin, now=sql.now() - timedelta(days=60))
    return ""


def _nothing(_stage: Stage) -> str:
    """It needs no work."""
    return ""


CASES = [
    Case("audit.seal", _unsealed),
    Case("audit.seal_everything", _unsealed),
    Case("audit.verify_trail", _sealed, repeats=True, arguments={"person": "admin"}),
    Case("approvals.sweep", _overdue),
    Case("approvals.watch", _waiting),
    Case("costs.roll_up", _used),
    Case("costs.expire_reservations", _forgotten),
    Case("costs.pause_spent", _spent),
    Case("policies.prune_admissions", _ancient),
    Case("policies.watch_triggers", _above),
    Case("registry.expire_commands", _unacknowledged),
    Case("registry.dormant_check", _quiet),
    Case("delivery.follow", _untold),
    Case("aap.follow", _unanswered),
    Case("delivery.send", _unsent, afterwards=_released),
    Case("delivery.give_up_old", _held_back),
    Case("delivery.prune", _long_over),
    Case("operating.heartbeat", _nothing, effectless=True),
    Case("operating.replay", _asked_again),
    Case("operating.give_back_unused", _unused),
]
