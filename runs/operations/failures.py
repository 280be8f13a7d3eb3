"""Failures: grouped as they come in, handled by people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from audit.actors import Acting
from audit.refusals import invalid
from audit.transitions import move, note
from registry.models import User
from runs.fingerprints import fingerprint
from runs.models import Failure, Run, Step
from runs.operations.ledger import Ledger
from runs.permissions import may_handle_failure
from runs.states import FailureState


def group(ledger: Ledger, *, by: Acting, now: datetime) -> None:
    """Count what newly failed in a batch, in the batch's transaction.

    A run that failed because one of its steps did is one failure, the step's.
    """
    explained = {step.run_id for step in ledger.failed_steps}
    for step in ledger.failed_steps:
        _count(ledger, step.run, step.error_type, step.error_message, step.name, by=by, now=now)
    for run in ledger.failed_runs:
        if run.pk not in explained and not Step.objects.failed().filter(run=run).exists():
            _count(ledger, run, run.error_type, run.error_message, "", by=by, now=now)


def _count(ledger: Ledger, run: Run, error_type: str, message: str, step: str, *, by: Acting, now: datetime) -> None:
    agent = ledger.source.agent
    number = run.version.number if run.version else None
    failure, fresh = Failure.objects.get_or_create(
        agent=agent,
        fingerprint=fingerprint(error_type=error_type, message=message, step=step),
        defaults={
            "team": run.team, "error_type": error_type, "message": message, "step": step, "count": 1,
            "first_seen_at": now, "last_seen_at": now, "first_version": number, "last_run": run,
        },
    )  # fmt: skip
    if fresh:
        note(failure, kind="failure.found", by=by, now=now, outcome=failure.state)
        return
    Failure.objects.filter(pk=failure.pk).update(
        count=F("count") + 1, last_seen_at=now, last_run=run, team=run.team, message=message
    )
    if failure.state == FailureState.RESOLVED:
        move(failure, FailureState.REGRESSED, by=by, now=now)


@transaction.atomic
def resolve(*, failure: Failure, by: User, now: datetime) -> None:
    """Call a failure resolved; the next occurrence makes it regress.

    Raises:
        Missing, Forbidden, IllegalTransition, Stale.
    """
    _handle(failure, FailureState.RESOLVED, by=by, now=now)


@transaction.atomic
def reopen(*, failure: Failure, by: User, now: datetime) -> None:
    """Take a failure on, or take its resolution back.

    Raises:
        Missing, Forbidden, IllegalTransition, Stale.
    """
    _handle(failure, FailureState.OPEN, by=by, now=now)


def _handle(failure: Failure, to: FailureState, *, by: User, now: datetime) -> None:
    may_handle_failure(by, failure)
    move(failure, to, by=by, now=now)


@transaction.atomic
def mute(*, failure: Failure, until: datetime | None = None, more: int | None = None, by: User, now: datetime) -> None:
    """Keep a failure off the lists until a time, or until it happened so many times more.

    Raises:
        Missing, Forbidden.
        Invalid: neither a time to come nor a positive count.
    """
    may_handle_failure(by, failure)
    if (until is None or until <= now) and (more is None or more < 1):
        raise invalid("/until", "required", "Mute until a time to come, or for a number of occurrences.")
    failure.refresh_from_db()
    fields: dict[str, Any] = {
        "muted_until": until,
        "muted_to_count": failure.count + more if more else None,
    }
    Failure.objects.filter(pk=failure.pk).update(**fields)
    note(failure, kind="failure.muted", by=by, now=now, details={"until": str(until or ""), "more": more or 0})


@transaction.atomic
def assign(*, failure: Failure, to: User | None, by: User, now: datetime) -> None:
    """Give a failure to a person, or to nobody.

    Raises:
        Missing, Forbidden.
    """
    may_handle_failure(by, failure)
    Failure.objects.filter(pk=failure.pk).update(assigned_to=to)
    failure.assigned_to = to
    note(failure, kind="failure.assigned", by=by, now=now, details={"to": to.username if to else None})
