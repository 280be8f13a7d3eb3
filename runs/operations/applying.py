"""What one report does to the ledger: the rules of idempotence and order (semantics 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from audit.refusals import Problem
from runs.merging import STATUS, merge
from runs.models import Run, Step
from runs.models.runs import STUB
from runs.operations.ledger import Ledger
from runs.operations.results import ItemStatus, ReportedUsage
from runs.preparing import CLAMPED, Prepared, PreparedRun, PreparedStep

OTHER_ENVIRONMENT = Problem("", "other_environment", "The run belongs to another environment than the key.")
CONFLICTING_TERMINAL = "conflicting_terminal"
CONFLICTING_CONTENT = "conflicting_content"
# How many digests of reports a row remembers, to know them again when they are sent twice.
_SEEN = 16


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one report: the row, or the problem that made it invalid."""

    status: ItemStatus
    id: UUID | None = None
    problem: Problem | None = None


def apply_run(ledger: Ledger, item: PreparedRun, *, once: bool = True) -> Applied:
    """Take a run's report.

    Args:
        ledger: where the rows are.
        item: the report.
        once: whether the same report counts only once. Not so for a change of a run that the
            caller names by id: ``waiting``, ``running``, ``waiting`` are three changes.
    """
    run = ledger.by_event(item.event_id) or _stub_to_adopt(ledger, item)
    if run is None:
        run = ledger.add_run(item.event_id, fields=item.fields, flags=item.flags)
        run.seen = [item.digest]
        return Applied(ItemStatus.CREATED, run.pk)
    if run.environment != ledger.source.environment:
        return Applied(ItemStatus.INVALID, problem=OTHER_ENVIRONMENT)
    applied = _apply(run, item, once=once, guessed_start=run.is_stub)
    if applied.status == ItemStatus.CREATED:
        run.event_id = item.event_id
        run.last_event_at = ledger.now
        if run.is_stub and "started_at" in item.fields:
            run.flags = {name: value for name, value in run.flags.items() if name != STUB}
            run.source = ledger.origin
        ledger.index(run)
    if applied.status != ItemStatus.DUPLICATE:
        ledger.change_run(run)
    return applied


def apply_step(ledger: Ledger, item: PreparedStep) -> Applied:
    """Take a step's report; a run that nobody reported yet gets a stub."""
    step = ledger.steps.get(item.event_id)
    named = ledger.find(item.run_ref)
    run = ledger.run_of(step) if step else named
    if run is not None and run.environment != ledger.source.environment:
        return Applied(ItemStatus.INVALID, problem=OTHER_ENVIRONMENT)
    had_usage = False
    if step is None or run is None:
        run = run or ledger.add_run(item.run_ref, fields={"started_at": item.started_at}, flags={STUB: True})
        step = ledger.add_step(run, item)
        applied = Applied(ItemStatus.CREATED, step.pk)
    else:
        had_usage = step.is_final and bool(step.usage)
        elsewhere = named is not None and named.pk != run.pk
        applied = _refuse(step) if elsewhere else _apply(step, item, once=True, guessed_start=False)
        if applied.status == ItemStatus.DUPLICATE:
            return applied
        ledger.change_step(step)
    if applied.status == ItemStatus.CREATED:
        ledger.keep_texts(step, item.texts)
        run.last_event_at = ledger.now
        ledger.change_run(run)
        # Before a step has ended its usage may still grow.
        if step.usage and step.is_final and not had_usage:
            ledger.usages.append(_usage(ledger, run, step, step.usage))
    return applied


def _stub_to_adopt(ledger: Ledger, item: PreparedRun) -> Run | None:
    """Return the stub that steps or actions made under the run's external id."""
    stub = ledger.by_event(item.fields.get("external_id", ""))
    return stub if stub is not None and stub.is_stub else None


def _apply(row: Run | Step, item: Prepared, *, once: bool, guessed_start: bool) -> Applied:
    if once and item.digest in row.seen:
        return Applied(ItemStatus.DUPLICATE, row.pk)
    said = dict(item.fields)
    kept = {name: getattr(row, name) for name in (*said, STATUS)}
    if guessed_start:
        kept["started_at"] = None
    elif CLAMPED in item.flags:
        # The clamp depends on when a report arrives; the first one came nearest to the truth.
        said.pop("started_at", None)
    outcome = merge(kept, said)
    if outcome.conflicts:
        return _refuse(row, status=said[STATUS] if STATUS in outcome.conflicts else "")
    if not outcome.changes:
        return Applied(ItemStatus.DUPLICATE, row.pk)
    for name, value in outcome.changes.items():
        setattr(row, name, value)
    row.flags = {**row.flags, **item.flags}
    row.seen = [*row.seen, item.digest][-_SEEN:]
    return Applied(ItemStatus.CREATED, row.pk)


def _refuse(row: Run | Step, *, status: str = "") -> Applied:
    """Flag a contradiction; what is kept stays."""
    flag: dict[str, Any] = {CONFLICTING_TERMINAL: status} if status else {CONFLICTING_CONTENT: True}
    row.flags = {**row.flags, **flag}
    return Applied(ItemStatus.CONFLICT, row.pk)


def _usage(ledger: Ledger, run: Run, step: Step, usage: dict[str, Any]) -> ReportedUsage:
    return ReportedUsage(
        run_id=run.pk,
        step_id=step.pk,
        agent_id=ledger.source.agent.pk,
        team=run.team,
        environment=run.environment,
        version_id=run.version_id,
        task=run.task,
        at=min(step.ended_at, ledger.now),
        event_id=step.event_id,
        action_id=step.decision_id,
        **usage,
    )
