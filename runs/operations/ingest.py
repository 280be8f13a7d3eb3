"""Reports over the native API: batches, single runs, changes of a run, its steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from audit.actors import Acting
from audit.refusals import Invalid, Missing, TooLarge
from runs.events import Event, RunEvent
from runs.models import Run
from runs.operations.intake import Manner, Report, take, unreadable
from runs.operations.results import IngestOutcome, Source
from runs.states import RunSource, is_final
from runs.wire import read_item, read_patch, read_run, read_step

MAX_ITEMS = 500


@transaction.atomic
def ingest(*, source: Source, items: Sequence[object], by: Acting, now: datetime) -> IngestOutcome:
    """Take a batch of runs and steps (semantics 4).

    A step's ``run_id`` may be the run's event id, our id, or its external id; it is looked up
    within the agent in that order, and an unknown one makes a stub that the run's own report
    fills later. Every item has its own result; one bad item spoils no other.

    Args:
        source: who reports.
        items: ``{"type": "run" | "step", …}``, at most `MAX_ITEMS`.
        by: the reporting key, for the trail.
        now: server's time, aware UTC.

    Returns:
        A result per item, and the usage to price in the same transaction.

    Raises:
        TooLarge: more than `MAX_ITEMS` items.
    """
    return _take(source, items, read_item, kind="run.ingested", by=by, now=now)


@transaction.atomic
def open_run(*, source: Source, body: object, by: Acting, now: datetime) -> IngestOutcome:
    """Take one run: ``POST /api/v1/runs``.

    Arguments as for `ingest`; `body` is the run without ``type``. The outcome has one result.
    """
    return _take(source, [body], read_run, kind="run.ingested", by=by, now=now)


@transaction.atomic
def add_steps(*, source: Source, run_id: UUID, items: Sequence[object], by: Acting, now: datetime) -> IngestOutcome:
    """Take steps of one run: ``POST /api/v1/runs/{id}/steps``.

    Arguments as for `ingest`; each item is a step without ``type`` and ``run_id``.

    Raises:
        Missing: the run is not this agent's, or belongs to another environment.
        TooLarge: more than `MAX_ITEMS` items.
    """
    run = _own(source, run_id)
    return _take(source, items, lambda item: read_step(item, run_ref=run.event_id), kind="run.ingested", by=by, now=now)


@transaction.atomic
def update_run(*, source: Source, run_id: UUID, changes: object, by: Acting, now: datetime) -> IngestOutcome:
    """Change a run that is known: ``PATCH /api/v1/runs/{id}``.

    A final status without ``ended_at`` ends the run now. What contradicts a final status is a
    conflict and changes nothing.

    Args:
        source: who reports.
        run_id: our id of the run.
        changes: any of status, ended_at, external_id, task, error, output_summary.
        by: the reporting key, for the trail.
        now: server's time, aware UTC.

    Returns:
        One result.

    Raises:
        Missing: the run is not this agent's, or belongs to another environment.
    """
    run = _own(source, run_id)

    def read(body: object) -> RunEvent:
        event = read_patch(body, event_id=run.event_id)
        if event.status and is_final(event.status) and event.ended_at is None and run.ended_at is None:
            return replace(event, ended_at=max(now, run.started_at))
        return event

    manner = Manner(kind="run.updated", origin=RunSource.API, once=False)
    return take(source=source, reports=_read([changes], read), manner=manner, by=by, now=now)


def _own(source: Source, run_id: UUID) -> Run:
    run = Run.objects.filter(pk=run_id, agent=source.agent, environment=source.environment).first()
    if run is None:
        raise Missing
    return run


def _take(
    source: Source,
    items: Sequence[object],
    read: Callable[[object], Event],
    *,
    kind: str,
    by: Acting,
    now: datetime,
) -> IngestOutcome:
    if len(items) > MAX_ITEMS:
        raise TooLarge(f"A batch holds at most {MAX_ITEMS} items.")
    manner = Manner(kind=kind, origin=RunSource.API)
    return take(source=source, reports=_read(items, read), manner=manner, by=by, now=now)


def _read(items: Sequence[object], read: Callable[[object], Event]) -> list[Report]:
    reports = []
    for index, item in enumerate(items):
        try:
            reports.append(Report(index, read(item)))
        except Invalid as error:
            reports.append(Report(index, unreadable(error)))
    return reports
