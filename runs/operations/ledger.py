"""The runs and steps that a batch touches: read once, changed in memory, written once.

Its users hold the agent's ingest lock, so nobody else changes these rows meanwhile. Only a stub
(`runs.operations.stubs`) may be added beside it: then writing raises ``IntegrityError`` and the
batch is worked through again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import models
from django.db.models.functions import RowNumber

from runs.models import Payload, Run, Step
from runs.operations.results import ReportedUsage, Source
from runs.preparing import PreparedRun, PreparedStep, Text, name_uuid

# Fewer than any SQLite's limit of variables in one statement.
_CHUNK = 900

# Of runs with one external id, which place each has, the newest first.
_PLACE = models.Window(RowNumber(), partition_by=models.F("external_id"), order_by=models.F("pk").desc())

Row = TypeVar("Row", bound=models.Model)


def fetch(rows: models.QuerySet[Row], column: str, values: Iterable[Any]) -> Iterator[Row]:
    """Read the rows that have one of the values in a column, in statements of bounded size."""
    wanted = sorted(set(values))
    for start in range(0, len(wanted), _CHUNK):
        yield from rows.filter(**{f"{column}__in": wanted[start : start + _CHUNK]})


def _upsert(model: type[models.Model], rows: Sequence[models.Model]) -> None:
    """Write changed rows. One statement for all: an UPDATE per row costs a round trip each."""
    names = [field.name for field in model._meta.concrete_fields if not field.primary_key]
    key = model._meta.pk.attname
    model._default_manager.bulk_create(rows, update_conflicts=True, unique_fields=[key], update_fields=names)


class Ledger:
    """Runs and steps of one agent in the reach of one batch.

    Attributes:
        source: who reports.
        origin: of `runs.states.RunSource`.
        now: server's time.
        steps: by event id.
        fresh_runs: runs that this batch adds, stubs included, by id.
        fresh_steps: steps that it adds.
        changed_runs: runs that it changes.
        changed_steps: steps that it changes.
        usages: what was used, for `costs`.
        failed: occurrences of failures that this batch adds; one mishap counts once.
    """

    def __init__(self, *, source: Source, origin: str, now: datetime) -> None:
        self.source = source
        self.origin = origin
        self.now = now
        self.steps: dict[str, Step] = {}
        self.fresh_runs: dict[UUID, Run] = {}
        self.fresh_steps: dict[UUID, Step] = {}
        self.changed_runs: dict[UUID, Run] = {}
        self.changed_steps: dict[UUID, Step] = {}
        self.usages: list[ReportedUsage] = []
        self.failed = 0
        self._team = source.agent.team.slug
        self._runs: dict[UUID, Run] = {}
        self._by_event: dict[str, Run] = {}
        self._by_external: dict[str, Run] = {}
        self._texts: dict[UUID, dict[str, str]] = {}

    def load(self, runs: Sequence[PreparedRun], steps: Sequence[PreparedStep]) -> None:
        """Read every row that the reports may be about."""
        agent = self.source.agent
        for step in fetch(Step.objects.filter(agent=agent), "event_id", (item.event_id for item in steps)):
            self.steps[step.event_id] = step
        refs = {item.run_ref for item in steps}
        for item in runs:
            refs |= {item.fields[name] for name in ("parent_ref", "retry_ref") if name in item.fields}
        externals = {item.fields["external_id"] for item in runs if "external_id" in item.fields}
        ids = {identity for ref in refs if (identity := name_uuid(ref))}
        ids |= {step.run_id for step in self.steps.values()}
        own = Run.objects.filter(agent=agent)
        # Any number of runs may have one external id, and only the newest counts: the others are not read.
        newest = own.annotate(place=_PLACE).filter(place=1).order_by().only("pk")
        ids |= {run.pk for run in fetch(newest, "external_id", refs)}
        # Three lookups, with an index for each; one with OR would scan on some planners.
        self.adopt(fetch(own, "event_id", {item.event_id for item in runs} | externals | refs))
        self.adopt(fetch(own, "pk", ids))

    def adopt(self, rows: Iterable[Run]) -> list[Run]:
        """Bring in rows that were read, and return them; those already here stay as they are."""
        adopted = []
        for run in rows:
            if run.pk not in self._runs:
                self.index(run)
            adopted.append(self._runs[run.pk])
        return adopted

    def index(self, run: Run) -> None:
        """Make a run findable under its present names. Of several with one external id the newest counts."""
        self._runs[run.pk] = run
        self._by_event[run.event_id] = run
        other = self._by_external.get(run.external_id)
        if run.external_id and (other is None or other.pk < run.pk):
            self._by_external[run.external_id] = run

    def by_event(self, event_id: str) -> Run | None:
        """Return the run with this event id."""
        return self._by_event.get(event_id)

    def find(self, name: str) -> Run | None:
        """Return the run with this event id, id, or external id: in that order."""
        run = self._by_event.get(name)
        if run is None and (identity := name_uuid(name)):
            run = self._runs.get(identity)
        return run or self._by_external.get(name)

    def run_of(self, step: Step) -> Run:
        """Return the run of a step that is here."""
        return self._runs[step.run_id]

    def touched_runs(self) -> list[Run]:
        """Return the runs that were added or changed."""
        return [*self.fresh_runs.values(), *self.changed_runs.values()]

    def touched_steps(self) -> list[Step]:
        """Return the steps that were added or changed."""
        return [*self.fresh_steps.values(), *self.changed_steps.values()]

    def add_run(self, event_id: str, *, fields: dict[str, Any], flags: dict[str, Any]) -> Run:
        """Add a run in the reporter's setting."""
        run = Run(
            agent=self.source.agent,
            team=self._team,
            environment=self.source.environment,
            version_id=self.source.version_id,
            event_id=event_id,
            source=self.origin,
            received_at=self.now,
            last_event_at=self.now,
            flags=dict(flags),
            **fields,
        )
        self.fresh_runs[run.pk] = run
        self.index(run)
        return run

    def add_step(self, run: Run, item: PreparedStep) -> Step:
        """Add a step to a run."""
        step = Step(
            run=run,
            agent=self.source.agent,
            event_id=item.event_id,
            received_at=self.now,
            flags=dict(item.flags),
            seen=[item.digest],
            **item.fields,
        )
        self.steps[step.event_id] = step
        self.fresh_steps[step.pk] = step
        return step

    def change_run(self, run: Run) -> None:
        """Have a changed run written."""
        if run.pk not in self.fresh_runs:
            self.changed_runs[run.pk] = run

    def change_step(self, step: Step) -> None:
        """Have a changed step written."""
        if step.pk not in self.fresh_steps:
            self.changed_steps[step.pk] = step

    def keep_texts(self, step: Step, texts: dict[str, Text]) -> None:
        """Have those texts written of which the step took the hash."""
        taken = {side: text.text for side, text in texts.items() if getattr(step, f"{side}_sha256") == text.sha256}
        if taken:
            self._texts.setdefault(step.pk, {}).update(taken)

    def write(self) -> None:
        """Write everything.

        In bulk, because a batch holds up to 500 items: 500 new steps with payloads take some 20
        statements on SQLite and 12 on PostgreSQL, not a thousand.

        Raises:
            django.db.IntegrityError: a stub was added under one of the names meanwhile.
        """
        Run.objects.bulk_create(self.fresh_runs.values())
        _upsert(Run, list(self.changed_runs.values()))
        Step.objects.bulk_create(self.fresh_steps.values())
        _upsert(Step, list(self.changed_steps.values()))
        self._write_texts()

    def _write_texts(self) -> None:
        fresh = [Payload(step_id=key, **texts) for key, texts in self._texts.items() if key in self.fresh_steps]
        Payload.objects.bulk_create(fresh)
        known = {key: Payload(step_id=key) for key in self._texts if key not in self.fresh_steps}
        known |= {row.step_id: row for row in fetch(Payload.objects.all(), "step_id", known)}
        for key, payload in known.items():
            for side, text in self._texts[key].items():
                setattr(payload, side, text)
        _upsert(Payload, list(known.values()))
