"""Groups what fails: each failing step, and each failing run that no failing step explains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import F

from audit.actors import Acting
from audit.refusals import Stale
from audit.transitions import move, note
from registry.models import AgentVersion
from runs.fingerprints import fingerprint, same_cause
from runs.models import Failure, Run, Step
from runs.operations.ledger import Ledger, fetch
from runs.states import FAILED, FailureState


@dataclass(slots=True)
class _Group:
    """The occurrences of one fingerprint in this batch."""

    error_type: str
    message: str
    step_name: str
    rows: list[Run | Step] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    versions: set[int | None] = field(default_factory=set)


def group(ledger: Ledger, *, partial: set[UUID], by: Acting) -> None:
    """Count this batch's new failures and tie their runs and steps to them.

    A failing run whose error is that of one of its failing steps, or that tells no error, joins
    that step's failure: one mishap counts once. Whichever of the two comes first makes the group.

    Args:
        ledger: runs and steps with all reports applied.
        partial: ids of runs whose reports left the error's details out; they wait for them.
        by: who reported.
    """
    groups: dict[str, _Group] = {}
    steps = [step for step in ledger.touched_steps() if step.status in FAILED and step.failure_id is None]
    runs = [
        run
        for run in ledger.touched_runs()
        if run.status in FAILED and run.failure_id is None and run.pk not in partial
    ]
    for step in steps:
        run = ledger.run_of(step)
        if run.failure_id is not None and same_cause(_error(run), _error(step)):
            step.failure_id = run.failure_id
            ledger.change_step(step)
        else:
            _collect(groups, step, run, step.name)
    joined = _explained(ledger, runs)
    for run in runs:
        if run.pk not in joined:
            _collect(groups, run, run, "")
    if groups:
        _count(ledger, groups, by=by)
    for run in runs:
        if run.pk in joined:
            run.failure_id = joined[run.pk].failure_id
        ledger.change_run(run)


def _error(row: Run | Step) -> tuple[str, str]:
    return row.error_type, row.error_message


def _explained(ledger: Ledger, runs: Iterable[Run]) -> dict[UUID, Step]:
    """Return, for the failing runs that one of their failing steps explains, that step."""
    failing: dict[UUID, list[Step]] = {run.pk: [] for run in runs}
    touched = {step.pk for step in ledger.touched_steps()}
    known = set(failing) - set(ledger.fresh_runs)
    for step in fetch(Step.objects.failed().filter(failure__isnull=False), "run_id", known):
        if step.pk not in touched:
            failing[step.run_id].append(step)
    for step in ledger.touched_steps():
        if step.status in FAILED and step.run_id in failing:
            failing[step.run_id].append(step)
    explained: dict[UUID, Step] = {}
    for run in runs:
        told = _error(run) != ("", "")
        for step in sorted(failing[run.pk], key=lambda step: (step.started_at, step.position)):
            if not told or same_cause(_error(run), _error(step)):
                explained[run.pk] = step
    return explained


def _collect(groups: dict[str, _Group], row: Run | Step, run: Run, step_name: str) -> None:
    error_type, message = _error(row)
    key = fingerprint(error_type=error_type, message=message, step=step_name)
    found = groups.setdefault(key, _Group(error_type, message, step_name))
    found.rows.append(row)
    found.times.append(row.ended_at or row.started_at)
    found.versions.add(run.version_id)


def _count(ledger: Ledger, groups: dict[str, _Group], *, by: Acting) -> None:
    agent = ledger.source.agent
    known = {row.fingerprint: row for row in fetch(Failure.objects.filter(agent=agent), "fingerprint", groups)}
    for key, found in groups.items():
        ledger.failed += len(found.rows)
        failure = known.get(key)
        if failure is None:
            failure = _new(ledger, key, found, by=by)
        else:
            _recur(failure, found, by=by, now=ledger.now)
        for row in found.rows:
            row.failure = failure
            if isinstance(row, Step):
                ledger.change_step(row)
            else:
                ledger.change_run(row)


def _new(ledger: Ledger, key: str, found: _Group, *, by: Acting) -> Failure:
    versions = sorted(version for version in found.versions if version is not None)
    failure = Failure.objects.create(
        agent=ledger.source.agent,
        fingerprint=key,
        error_type=found.error_type,
        message=found.message,
        step_name=found.step_name,
        count=len(found.rows),
        first_seen=min(found.times),
        last_seen=min(max(found.times), ledger.now),
        first_version_id=versions[0] if versions else None,
    )
    note(failure, kind="failure.new", by=by, now=ledger.now, outcome=FailureState.NEW)
    return failure


def _recur(failure: Failure, found: _Group, *, by: Acting, now: datetime) -> None:
    first_seen = min(failure.first_seen, *found.times)
    last_seen = min(max(failure.last_seen, *found.times), now)
    # Only what ingest owns is written: people change the state, mutes and assignment meanwhile.
    Failure.objects.filter(pk=failure.pk).update(
        count=F("count") + len(found.rows), first_seen=first_seen, last_seen=last_seen
    )
    if failure.state == FailureState.RESOLVED and _regresses(failure, found):
        try:
            move(failure, FailureState.REGRESSED, by=by, now=now)
        except Stale:
            # Somebody reopened it in this moment; it is open either way.
            return


def _regresses(failure: Failure, found: _Group) -> bool:
    """Say whether it happened again after it was resolved, and not in a version older than the mended one."""
    if failure.resolved_at is not None and max(found.times) <= failure.resolved_at:
        return False
    if failure.resolved_in_id is None or None in found.versions:
        return True
    numbers = AgentVersion.objects.filter(pk__in=[failure.resolved_in_id, *found.versions]).values_list("pk", "number")
    number = dict(numbers)
    return any(number[version] >= number[failure.resolved_in_id] for version in found.versions if version in number)
