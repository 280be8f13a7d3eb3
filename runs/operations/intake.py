"""The one road by which reports become rows: lock, apply in memory, write, record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from audit import sql
from audit.actors import Acting
from audit.operations import record
from audit.refusals import Invalid, Problem
from runs.events import Event, RunEvent
from runs.operations.applying import Applied, apply_run, apply_step
from runs.operations.grouping import group
from runs.operations.ledger import Ledger
from runs.operations.links import link
from runs.operations.results import IngestOutcome, ItemResult, ItemStatus, Source
from runs.preparing import PreparedRun, PreparedStep, prepare_run, prepare_step

# Only a stub can come between, and each attempt sees it.
_ATTEMPTS = 5

Prepared = PreparedRun | PreparedStep | tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One report on its way in.

    Attributes:
        index: the place that its result carries.
        event: what it says, or why it cannot be read.
    """

    index: int
    event: Event | tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How reports are taken.

    Attributes:
        kind: of the batch's entry in the trail.
        origin: of `runs.states.RunSource`.
        once: as in `runs.operations.applying.apply_run`.
    """

    kind: str
    origin: str
    once: bool = True


def take(*, source: Source, reports: Sequence[Report], manner: Manner, by: Acting, now: datetime) -> IngestOutcome:
    """Take reports, in the caller's transaction.

    Runs are applied before steps, whatever their order, so that a batch makes no stub for a run
    that it brings itself.

    Args:
        source: who reports.
        reports: what was read.
        manner: how they are taken.
        by: who reports, for the trail.
        now: server's time, aware UTC.
    """
    prepared = [_prepare(report.event, source, now) for report in reports]
    # PostgreSQL: one batch per agent at a time, so that rows read below stay as they were read.
    # SQLite's writers queue anyway.
    sql.advisory_lock(f"runs.ingest.{source.agent.pk}")
    ledger, applied = _write(source, prepared, manner, by=by, now=now)
    results = tuple(
        _result(report.index, item, one) for report, item, one in zip(reports, prepared, applied, strict=True)
    )
    outcome = IngestOutcome(results, tuple(ledger.usages))
    _record(ledger, outcome, manner.kind, by=by, now=now)
    return outcome


def _write(
    source: Source, prepared: Sequence[Prepared], manner: Manner, *, by: Acting, now: datetime
) -> tuple[Ledger, list[Applied]]:
    """Apply and write everything, and again where a stub came between."""
    attempt = 1
    while True:
        ledger = Ledger(source=source, origin=manner.origin, now=now)
        try:
            with transaction.atomic():
                applied = _apply(ledger, prepared, manner)
                link(ledger)
                group(ledger, partial=_partial(prepared, applied), by=by)
                ledger.write()
        except IntegrityError:
            if attempt == _ATTEMPTS:
                raise
            attempt += 1
        else:
            return ledger, applied


def _prepare(event: Event | tuple[Problem, ...], source: Source, now: datetime) -> Prepared:
    if isinstance(event, tuple):
        return event
    if isinstance(event, RunEvent):
        prepared: Prepared | Problem = prepare_run(event, now=now, may_backfill=source.may_backfill)
    else:
        prepared = prepare_step(event, now=now, may_backfill=source.may_backfill)
    return (prepared,) if isinstance(prepared, Problem) else prepared


def _apply(ledger: Ledger, prepared: Sequence[Prepared], manner: Manner) -> list[Applied]:
    runs = {index: item for index, item in enumerate(prepared) if isinstance(item, PreparedRun)}
    steps = {index: item for index, item in enumerate(prepared) if isinstance(item, PreparedStep)}
    ledger.load(list(runs.values()), list(steps.values()))
    applied = [Applied(ItemStatus.INVALID)] * len(prepared)
    for index, run in runs.items():
        applied[index] = apply_run(ledger, run, once=manner.once)
    for index, step in steps.items():
        applied[index] = apply_step(ledger, step)
    return applied


def _partial(prepared: Sequence[Prepared], applied: Sequence[Applied]) -> set[UUID]:
    return {
        one.id
        for item, one in zip(prepared, applied, strict=True)
        if isinstance(item, PreparedRun) and item.partial and one.id
    }


def _result(index: int, item: Prepared, applied: Applied) -> ItemResult:
    errors = item if isinstance(item, tuple) else (applied.problem,) if applied.problem else ()
    return ItemResult(index, applied.status, applied.id, errors)


def _record(ledger: Ledger, outcome: IngestOutcome, kind: str, *, by: Acting, now: datetime) -> None:
    """Add the batch's one entry; a batch in which nothing was new changed nothing and leaves none."""
    counts = outcome.counts
    if not counts[ItemStatus.CREATED] and not counts[ItemStatus.CONFLICT]:
        return
    agent = ledger.source.agent
    record(
        kind=kind,
        object_type=agent.audit_type,
        object_id=agent.audit_id,
        by=by,
        now=now,
        team=agent.audit_team,
        agent=agent.audit_agent,
        outcome="partly" if counts[ItemStatus.CONFLICT] or counts[ItemStatus.INVALID] else "taken",
        details={
            **counts,
            "environment": ledger.source.environment,
            "runs": len(ledger.touched_runs()),
            "steps": len(ledger.touched_steps()),
            "usages": len(outcome.usages),
            # Triggers count failures by the trail alone.
            **({"failures": ledger.failed} if ledger.failed else {}),
        },
    )


def unreadable(error: Invalid) -> tuple[Problem, ...]:
    """Return the defects of an item that cannot be read."""
    return error.errors or (Problem("", error.code, error.detail),)
