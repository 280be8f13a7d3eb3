"""Taking in runs and steps: idempotent, in any order, acknowledged after commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction

from audit import sql
from audit.actors import Acting, Actor
from audit.operations import record
from audit.refusals import Invalid, Missing, Problem, TooLarge
from registry.models import Agent
from runs.events import Event, RunEvent
from runs.models import Run, Step
from runs.n8n import read_execution
from runs.operations.failures import group
from runs.operations.ledger import CREATED, INVALID, Ledger, Source
from runs.preparing import PreparedRun, PreparedStep, prepare_run, prepare_step
from runs.states import RunSource
from runs.wire import read_item, read_patch

MOST_ITEMS = 500
Read = Callable[[object], Event]


class Asking(Protocol):
    """The part of an authenticated key that a stub needs."""

    @property
    def agent_id(self) -> int:
        """Primary key of the agent."""
        ...

    @property
    def environment(self) -> str:
        """Environment of the key."""
        ...

    @property
    def actor(self) -> Actor:
        """The agent as the trail records it."""
        ...


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item.

    Attributes:
        index: its place in the batch.
        status: ``created`` (something new was kept), ``duplicate``, ``conflict`` (contradicts a
            final report; the first stays, flagged) or ``invalid``.
        id: of the run or step; None where it is invalid.
        errors: what is wrong with it, with pointers into the item.
    """

    index: int
    status: str
    id: UUID | None
    errors: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedUsage:
    """One model call that a step reported, for the ledger of costs. Tokens are in disjoint buckets."""

    run_id: UUID
    step_id: UUID
    agent_id: int
    team: str
    environment: str
    version_id: int | None
    task: str
    provider: str
    model: str
    input_uncached: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int
    response_id: str
    at: datetime
    event_id: str
    action_id: UUID | None


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """What became of a batch: one result per item, and the usage that is new."""

    results: tuple[ItemResult, ...]
    usages: tuple[ReportedUsage, ...]

    def counts(self) -> dict[str, int]:
        """Return how many items came to each status."""
        return dict(Counter(result.status for result in self.results))


@transaction.atomic
def ingest(*, source: Source, items: Sequence[object], by: Acting, now: datetime) -> IngestOutcome:
    """Take a batch of ``{"type": "run" | "step", …}``; see `runs.wire`.

    Bad items are answered one by one and keep nothing else from being taken.

    Args:
        source: whose reports these are.
        items: at most 500.
        by: who reports.
        now: aware UTC.

    Raises:
        TooLarge: more than 500 items.
    """
    if len(items) > MOST_ITEMS:
        raise TooLarge(f"A batch holds at most {MOST_ITEMS} items.")
    read = [_read(item, index) for index, item in enumerate(items)]
    return _take(source, read, by=by, now=now)


@transaction.atomic
def import_n8n(*, executions: Sequence[object], source: Source, by: Acting, now: datetime) -> IngestOutcome:
    """Import executions of n8n; what is known already changes nothing.

    Args:
        executions: any number; see `runs.n8n`.
        source: whose runs they become.
        by: who imports.
        now: aware UTC.
    """
    read: list[Event | ItemResult] = []
    for index, execution in enumerate(executions):
        try:
            read.extend(read_execution(execution))
        except Invalid as refusal:
            read.append(ItemResult(index, INVALID, None, refusal.errors))
    return _take(replace(source, road=RunSource.N8N), read, by=by, now=now)


@transaction.atomic
def change_run(*, source: Source, run_id: UUID, body: object, by: Acting, now: datetime) -> ItemResult:
    """Apply what ``PATCH /api/v1/runs/{id}`` says.

    Raises:
        Missing: not a run of this agent.
        Invalid: the change has defects.
    """
    run = Run.objects.filter(pk=run_id, agent=source.agent).first()
    if run is None:
        raise Missing
    outcome = _take(source, [read_patch(body, event_id=run.event_id)], by=by, now=now)
    return outcome.results[0]


@transaction.atomic
def stub_run(*, principal: Asking, version_id: int | None, reference: str, now: datetime) -> UUID:
    """Return the id of the run that an ask names; an unknown one becomes a stub.

    The decision's entry in the trail stands for it.
    """
    agent = Agent.objects.select_related("team").get(pk=principal.agent_id)
    source = Source(agent, principal.environment, version_id, may_backfill=False)
    ledger = Ledger(source, now)
    run = ledger.find_run(reference)
    if run is None:
        _lock(agent)
        run = Ledger(source, now).find_run(reference) or ledger.stub(reference, started_at=now)
    return run.pk


def _lock(agent: Agent) -> None:
    """Let the agent's reports be taken one batch after the other, so that none meets itself."""
    sql.advisory_lock(f"runs.agent.{agent.pk}")


def _read(item: object, index: int) -> Event | ItemResult:
    try:
        return read_item(item)
    except Invalid as refusal:
        return ItemResult(index, INVALID, None, refusal.errors)


def _take(source: Source, read: Sequence[Event | ItemResult], *, by: Acting, now: datetime) -> IngestOutcome:
    _lock(source.agent)
    ledger = Ledger(source, now)
    results: list[ItemResult] = []
    usages: list[ReportedUsage] = []
    for index, event in enumerate(read):
        if isinstance(event, ItemResult):
            results.append(event)
            continue
        backfill = source.may_backfill
        prepared = (
            prepare_run(event, now=now, may_backfill=backfill)
            if isinstance(event, RunEvent)
            else prepare_step(event, now=now, may_backfill=backfill)
        )
        if isinstance(prepared, Problem):
            results.append(ItemResult(index, INVALID, None, (prepared,)))
        elif isinstance(prepared, PreparedRun):
            status, run = ledger.apply_run(prepared)
            results.append(ItemResult(index, status, run.pk))
        else:
            results.append(_take_step(ledger, prepared, index, usages))
    group(ledger, by=by, now=now)
    _note(source, results, by=by, now=now)
    return IngestOutcome(tuple(results), tuple(usages))


def _take_step(ledger: Ledger, said: PreparedStep, index: int, usages: list[ReportedUsage]) -> ItemResult:
    known = (
        Step.objects.filter(agent=ledger.source.agent, event_id=said.event_id).values_list("usage", flat=True).first()
    )
    status, step = ledger.apply_step(said)
    if status == CREATED and step.usage and not known:
        usages.append(_usage(ledger.source, step, step.usage))
    return ItemResult(index, status, step.pk)


def _usage(source: Source, step: Step, tokens: dict[str, Any]) -> ReportedUsage:
    run = step.run
    return ReportedUsage(
        run_id=run.pk,
        step_id=step.pk,
        agent_id=source.agent.pk,
        team=run.team,
        environment=run.environment,
        version_id=run.version_id,
        task=run.task,
        at=step.started_at,
        event_id=step.event_id,
        action_id=step.decision_id,
        **tokens,
    )


def _note(source: Source, results: Sequence[ItemResult], *, by: Acting, now: datetime) -> None:
    """One entry per batch, if it changed anything."""
    counts = Counter(result.status for result in results)
    if not counts.keys() - {INVALID, "duplicate"}:
        return
    record(
        kind="run.ingested",
        object_type="run",
        object_id=str(results[0].id) if len(results) == 1 else "batch",
        by=by,
        now=now,
        team=source.agent.team.slug,
        agent=source.agent.slug,
        outcome=CREATED,
        details={"road": str(source.road), **dict(counts)},
    )
