"""Applying prepared reports to what is kept, for one agent, under that agent's lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from registry.models import Agent
from runs.merging import Merge, merge
from runs.models import Run, Step
from runs.preparing import PreparedRun, PreparedStep, name_uuid
from runs.states import FAILED, RunSource

CREATED, DUPLICATE, CONFLICT, INVALID = "created", "duplicate", "conflict", "invalid"
_STUB = "stub"
_TEXTS = ("input", "output")


@dataclass(frozen=True, slots=True)
class Source:
    """Whose reports these are, and from where.

    Attributes:
        agent: with its team.
        environment: of the reporting key.
        version_id: of the version that is live there; None where nothing is released.
        may_backfill: whether reports older than 30 days are admitted.
        road: of `runs.states.RunSource`.
    """

    agent: Agent
    environment: str
    version_id: int | None
    may_backfill: bool
    road: str = RunSource.API


@dataclass(slots=True)
class Ledger:
    """Keeps what a batch has touched; the caller holds the agent's lock.

    Attributes:
        failed_runs, failed_steps: what newly failed, for grouping when the batch is complete.
    """

    source: Source
    now: datetime
    failed_runs: list[Run] = field(default_factory=list)
    failed_steps: list[Step] = field(default_factory=list)
    _runs: dict[str, Run] = field(default_factory=dict)

    def apply_run(self, said: PreparedRun) -> tuple[str, Run]:
        """Apply a run's report; return what became of it and the run."""
        run = self._known_run(said)
        if run is None:
            run = self._new_run(said.event_id, said.fields, said.flags)
            self._note_failure(run, was_failed=False)
            return CREATED, run
        was_failed = run.status in FAILED
        change = merge(_kept(run, said.fields), said.fields)
        filled = run.is_stub
        if not self._apply(run, change, said.flags, filled=filled):
            return (CONFLICT if change.conflicts else DUPLICATE), run
        run.updated_at = self.now
        run.save()
        self._note_failure(run, was_failed=was_failed)
        return CREATED, run

    def apply_step(self, said: PreparedStep) -> tuple[str, Step]:
        """Apply a step's report; a run that is not known yet becomes a stub."""
        agent = self.source.agent
        step = Step.objects.filter(agent=agent, event_id=said.event_id).first()
        if step is None:
            run = self.find_run(said.run_ref) or self.stub(said.run_ref, started_at=said.started_at)
            texts = {side: text.text for side, text in said.texts.items()}
            step = Step(
                run=run, agent=agent, event_id=said.event_id, received_at=self.now, flags=said.flags,
                **said.fields, **texts,
            )  # fmt: skip
            step.save(force_insert=True)
            if step.status in FAILED:
                self.failed_steps.append(step)
            return CREATED, step
        was_failed = step.status in FAILED
        change = merge(_kept(step, said.fields), said.fields)
        if not self._apply(step, change, said.flags):
            return (CONFLICT if change.conflicts else DUPLICATE), step
        for side, text in said.texts.items():
            if f"{side}_sha256" in change.changes:
                setattr(step, side, text.text)
        step.save()
        if step.status in FAILED and not was_failed:
            self.failed_steps.append(step)
        return CREATED, step

    def find_run(self, name: str) -> Run | None:
        """Find one of the agent's runs by its event id, our id, or its id in the system that ran it."""
        if name in self._runs:
            return self._runs[name]
        mine = Run.objects.filter(agent=self.source.agent)
        own = name_uuid(name)
        run = (
            mine.filter(event_id=name).first()
            or (mine.filter(pk=own).first() if own else None)
            or mine.filter(external_id=name).order_by("-id").first()
        )
        if run is not None:
            self._runs[name] = run
        return run

    def stub(self, name: str, *, started_at: datetime | None) -> Run:
        """Make a stub for a run that has only been named."""
        return self._new_run(name, {"started_at": started_at}, {_STUB: True})

    def _known_run(self, said: PreparedRun) -> Run | None:
        """Find the run of a report; a stub that was named by the run's external id is adopted."""
        mine = Run.objects.filter(agent=self.source.agent)
        cached = self._runs.get(said.event_id)
        run = cached or mine.filter(event_id=said.event_id).first()
        external = said.fields.get("external_id", "")
        if run is None and external:
            run = mine.filter(event_id=external, flags__has_key=_STUB).first()
            if run is not None:
                run.event_id = said.event_id
        if run is not None:
            self._runs[said.event_id] = run
        return run

    def _new_run(self, event_id: str, fields: dict[str, Any], flags: dict[str, Any]) -> Run:
        source = self.source
        run = Run(
            agent=source.agent, team=source.agent.team.slug, environment=source.environment,
            version_id=source.version_id, event_id=event_id, source=source.road, received_at=self.now,
            updated_at=self.now, flags=flags, **fields,
        )  # fmt: skip
        run.save(force_insert=True)
        self._runs[event_id] = run
        return run

    def _apply(self, row: Run | Step, change: Merge, flags: dict[str, Any], *, filled: bool = False) -> bool:
        """Set what changes; say whether anything does. A conflict only leaves its flag."""
        if change.conflicts:
            if not row.flags.get(CONFLICT):
                row.flags = {**row.flags, CONFLICT: True}
                row.save(update_fields=["flags"])
            return False
        for name, value in change.changes.items():
            setattr(row, name, value)
        if filled:
            row.flags = {name: value for name, value in row.flags.items() if name != _STUB}
        if change.changes or filled:
            row.flags = {**row.flags, **flags}
        return bool(change.changes) or filled

    def _note_failure(self, run: Run, *, was_failed: bool) -> None:
        if run.status in FAILED and not was_failed:
            self.failed_runs.append(run)


def _kept(row: Run | Step, said: dict[str, Any]) -> dict[str, Any]:
    """Return the fields as they are kept, as far as a report speaks of them."""
    kept = {name: getattr(row, name) for name in said}
    kept["status"] = row.status
    if isinstance(kept.get("decision_id"), UUID) and isinstance(said.get("decision_id"), str):
        kept["decision_id"] = str(kept["decision_id"])
    return kept
