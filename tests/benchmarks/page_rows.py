"""A large installation in seconds: rows copied from the scene's own, poured into the tables in bulk."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Field, Model

from approvals.models import ApprovalRequest, Grant
from approvals.states import ApprovalState, GrantState
from audit.ids import floor_id
from audit.models import Entry, Seal
from costs.models import Usage
from costs.operations import rollups
from policies.models import Decision
from policies.states import Effect
from registry.models import Agent
from runs.models import Failure, Run, Step
from runs.states import RunStatus
from tests.controlplane.console.scene import Scene
from tests.world import make_agent

DAYS, AGENTS, FAILURES = 30, 40, 400
_STATUSES = [RunStatus.SUCCEEDED] * 17 + [RunStatus.FAILED] * 2 + [RunStatus.RUNNING]
_EFFECTS = [Effect.ALLOW] * 14 + [Effect.REVIEW] * 2 + [Effect.DENY] * 3 + [Effect.THROTTLE]
_MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet", "mystery-model")
_HEX = "0123456789abcdef"

Row = Mapping[str, Any]


def pour(model: type[Model], rows: Iterable[Row]) -> None:
    """Insert rows that differ from the model's first one in the named columns.

    By `executemany` on SQLite and `COPY` on PostgreSQL: model instances would take minutes.
    """
    first = model._default_manager.order_by("pk")[0]
    fields: list[Field[Any, Any]] = list(first._meta.concrete_fields)
    usual = [field.get_db_prep_save(getattr(first, field.attname), connection) for field in fields]
    places = {field.attname: (place, field) for place, field in enumerate(fields)}

    def values() -> Iterator[list[Any]]:
        for row in rows:
            line = usual.copy()
            for name, value in row.items():
                place, field = places[name]
                line[place] = field.get_db_prep_save(value, connection)
            yield line

    table = connection.ops.quote_name(first._meta.db_table)
    columns = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    # One transaction: outside of one, SQLite commits each row.
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for line in values():
                    copy.write_row(line)
        else:
            cursor.executemany(
                f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(fields))})", list(values())
            )


def fill(scene: Scene, runs: int) -> None:
    """Pour a month of work into the scene.

    Args:
        scene: where to.
        runs: how many; two steps, one decision, one model call and one entry come with each, and a request for
            each tenth.
    """
    dice = random.Random(7)
    now = scene.now
    agents = _agents(scene)
    moments = [now - timedelta(days=DAYS) * (1 - place / runs) for place in range(runs)]
    ids = {name: [_id(moment, dice) for moment in moments] for name in ("run", "decision")}
    chosen = [dice.choice(agents) for _ in moments]
    failures = _failures(now, agents, dice)
    lines = list(zip(moments, chosen, ids["run"], ids["decision"], strict=True))
    pour(Run, (_run(place, *line, failures, dice) for place, line in enumerate(lines)))
    pour(Step, (step for place, line in enumerate(lines) for step in _steps(place, *line, dice)))
    pour(Decision, (_decision(place, *line, dice) for place, line in enumerate(lines)))
    pour(Usage, (_usage(place, *line, dice) for place, line in enumerate(lines)))
    _requests(lines, now, dice)
    pour(
        Grant,
        (
            {
                "id": _id(moment, dice), "decision_id": decision, "approval_id": None, "agent_id": agent.pk,
                "executor_id": agent.pk, "team": agent.team.slug, "state": GrantState.SUCCEEDED, "issued_at": moment,
            }
            for moment, agent, _, decision in lines[::2]
        ),
    )  # fmt: skip
    _trail(lines, dice)
    rollups.roll_up(now=now)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _agents(scene: Scene) -> list[Agent]:
    world = scene.world
    for number in range(AGENTS):
        team = world.team if number % 2 else world.other
        make_agent(f"worker-{number:02}", owner=world.owner, team=team, by=world.admin, now=scene.now)
    return list(Agent.objects.select_related("team").order_by("pk"))


def _id(moment: datetime, dice: random.Random) -> uuid.UUID:
    return uuid.UUID(int=floor_id(moment).int | dice.getrandbits(62))


def _failures(now: datetime, agents: list[Agent], dice: random.Random) -> list[uuid.UUID]:
    ids = [_id(now - timedelta(days=dice.random() * DAYS), dice) for _ in range(FAILURES)]
    pour(
        Failure,
        (
            {
                "id": each, "agent_id": dice.choice(agents).pk, "fingerprint": f"{place:064x}",
                "message": f"HTTP 429 from api-{place}.example.com", "last_seen": now - timedelta(minutes=place),
            }
            for place, each in enumerate(ids)
        ),
    )  # fmt: skip
    return ids


def _run(
    place: int, moment: datetime, agent: Agent, run: uuid.UUID, _: Any, failures: list[uuid.UUID], dice: random.Random
) -> Row:
    status = dice.choice(_STATUSES) if place % 97 else RunStatus.CRASHED
    failed = status in {RunStatus.FAILED, RunStatus.CRASHED}
    return {
        "id": run, "agent_id": agent.pk, "team": agent.team.slug, "event_id": f"run-{place}", "version_id": None,
        "external_id": str(place), "task": f"apply to job {place % 500}", "status": status, "started_at": moment,
        "ended_at": None if status == RunStatus.RUNNING else moment + timedelta(seconds=dice.randint(1, 900)),
        "received_at": moment, "last_event_at": moment, "failure_id": dice.choice(failures) if failed else None,
        "error_type": "HTTPError" if failed else "", "error_message": "HTTP 429" if failed else "",
    }  # fmt: skip


def _steps(
    place: int, moment: datetime, agent: Agent, run: uuid.UUID, decision: uuid.UUID, dice: random.Random
) -> Iterator[Row]:
    for number in range(2):
        yield {
            "id": _id(moment, dice), "run_id": run, "agent_id": agent.pk, "event_id": f"step-{place}-{number}",
            "started_at": moment + timedelta(seconds=number), "received_at": moment, "position": number,
            "decision_id": decision if number else None, "failure_id": None,
        }  # fmt: skip


def _decision(
    place: int, moment: datetime, agent: Agent, run: uuid.UUID, decision: uuid.UUID, dice: random.Random
) -> Row:
    return {
        "id": decision, "agent_id": agent.pk, "executor_id": agent.pk, "team": agent.team.slug, "run_id": run,
        "idempotency_key": f"bulk-{place}", "effect": dice.choice(_EFFECTS), "at": moment,
        "digest": "".join(dice.choices(_HEX, k=64)),
    }  # fmt: skip


def _usage(place: int, moment: datetime, agent: Agent, run: uuid.UUID, decision: uuid.UUID, dice: random.Random) -> Row:
    model = dice.choice(_MODELS)
    return {
        "id": _id(moment, dice), "agent_id": agent.pk, "team": agent.team.slug, "event_id": f"call-{place}",
        "run_id": run, "decision_id": decision, "model": model, "at": moment, "received_at": moment,
        "hour": moment.replace(minute=0, second=0, microsecond=0),
        "cost_nanousd": None if model == "mystery-model" else dice.randint(1_000, 40_000_000),
    }  # fmt: skip


def _requests(lines: list[tuple[datetime, Agent, uuid.UUID, uuid.UUID]], now: datetime, dice: random.Random) -> None:
    queue = ApprovalRequest.queues.through.objects.order_by("pk")[0].queue_id
    rows = [
        {
            "id": _id(moment, dice), "decision_id": decision, "agent_id": agent.pk, "team": agent.team.slug,
            "created_at": moment, "expires_at": moment + timedelta(days=1), "closed_at": moment,
            "state": dice.choice((ApprovalState.APPROVED, ApprovalState.REJECTED, ApprovalState.EXPIRED)),
        }
        for moment, agent, _, decision in lines[::10]
    ]  # fmt: skip
    # The newest few hundred wait.
    for row in rows[-300:]:
        row |= {
            "state": ApprovalState.PENDING,
            "expires_at": now + timedelta(hours=dice.randint(1, 24)),
            "closed_at": None,
        }
    pour(ApprovalRequest, rows)
    through = ApprovalRequest.queues.through
    through.objects.bulk_create(
        [through(approvalrequest_id=row["id"], queue_id=queue) for row in rows], batch_size=2_000
    )


def _trail(lines: list[tuple[datetime, Agent, uuid.UUID, uuid.UUID]], dice: random.Random) -> None:
    entries = [
        {
            "id": _id(moment, dice), "at": moment, "agent": agent.slug, "team": agent.team.slug,
            "object_id": str(decision), "request_id": f"bulk-{place}",
        }
        for place, (moment, agent, _, decision) in enumerate(lines)
    ]  # fmt: skip
    pour(Entry, entries)
    # Not a chain: the pages ask whether a seal is there, not what it says.
    last = Seal.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    sealed = timedelta(seconds=1)
    Seal.objects.bulk_create(
        [
            Seal(
                seq=last + place + 1, entry_id=row["id"], prev_hash="0" * 64, hash=f"{place:064x}",
                sealed_at=row["at"] + sealed,
            )
            for place, row in enumerate(entries)
        ],
        batch_size=2_000,
    )  # fmt: skip
