"""What people do about failures: resolve, reopen, mute, assign."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.actors import Acting
from audit.refusals import Stale, invalid
from audit.transitions import move, note
from registry.models import AgentVersion, User
from runs.models import Failure
from runs.operations.undoing import Handled, mark_of
from runs.permissions import may_be_assigned, may_handle_failure
from runs.states import FailureState


@transaction.atomic
def resolve_failure(*, failure: Failure, by: Acting, now: datetime, version: AgentVersion | None = None) -> Handled:
    """Say that a failure is mended. It comes back if it happens again later.

    Args:
        failure: the failure, as it was read.
        by: who.
        now: aware UTC.
        version: mended in this version: older ones may still fail.

    Returns:
        What `undo_failure` needs.

    Raises:
        Missing, Forbidden: not theirs.
        Invalid: a version of another agent.
        IllegalTransition, Stale: it is resolved already, or just changed.
    """
    may_handle_failure(by, failure)
    if version is not None and version.agent_id != failure.agent_id:
        raise invalid("/version", "other_agent", "The version belongs to another agent.")
    before = mark_of(failure)
    move(
        failure,
        FailureState.RESOLVED,
        by=by,
        now=now,
        details={"version": version.number} if version else None,
        fields={"resolved_at": now, "resolved_in": version},
    )
    return Handled(before, mark_of(failure))


@transaction.atomic
def reopen_failure(*, failure: Failure, by: Acting, now: datetime) -> None:
    """Take a failure up: one that is new or came back, or one that was resolved too early.

    Raises:
        Missing, Forbidden: not theirs.
        IllegalTransition, Stale: it is open already, or just changed.
    """
    may_handle_failure(by, failure)
    move(failure, FailureState.OPEN, by=by, now=now, fields={"resolved_at": None, "resolved_in": None})


@transaction.atomic
def mute_failure(
    *, failure: Failure, by: Acting, now: datetime, until: datetime | None = None, until_count: int | None = None
) -> Handled:
    """Silence a failure until a moment, until a number of occurrences, or until both are reached.

    Args:
        failure: the failure.
        by: who.
        now: aware UTC.
        until: aware UTC, in the future.
        until_count: total number of occurrences, above the present one.

    Returns:
        What `undo_failure` needs.

    Raises:
        Missing, Forbidden: not theirs.
        Invalid: neither is given, or what is given is reached already.
    """
    may_handle_failure(by, failure)
    if until is None and until_count is None:
        raise invalid("", "missing_field", "Say until when, or until how many occurrences.")
    if until is not None and until <= now:
        raise invalid("/until", "out_of_range", "The moment is over.")
    if until_count is not None and until_count <= failure.count:
        raise invalid("/until_count", "out_of_range", f"There are {failure.count} occurrences already.")
    before = mark_of(failure)
    _change(failure, muted_until=until, muted_until_count=until_count)
    details = {"until": until.isoformat() if until else None, "until_count": until_count}
    note(failure, kind="failure.muted", by=by, now=now, outcome="muted", details=details)
    return Handled(before, mark_of(failure))


@transaction.atomic
def unmute_failure(*, failure: Failure, by: Acting, now: datetime) -> None:
    """Let a failure be heard again.

    Raises:
        Missing, Forbidden: not theirs.
    """
    may_handle_failure(by, failure)
    _change(failure, muted_until=None, muted_until_count=None)
    note(failure, kind="failure.unmuted", by=by, now=now, outcome="unmuted")


@transaction.atomic
def assign_failure(*, failure: Failure, to: User | None, by: Acting, now: datetime) -> Handled:
    """Give a failure to a person, or to nobody. One that is new or came back is open then.

    Returns:
        What `undo_failure` needs.

    Raises:
        Missing, Forbidden: not theirs.
        Invalid: that person does not see the failure.
        Stale: it just changed.
    """
    may_handle_failure(by, failure)
    if to is not None and not may_be_assigned(to, failure):
        raise invalid("/assigned_to", "not_visible", "That person does not see this failure.")
    before = mark_of(failure)
    if to is not None and failure.state in {FailureState.NEW, FailureState.REGRESSED}:
        move(failure, FailureState.OPEN, by=by, now=now)
    _change(failure, assigned_to=to)
    note(
        failure,
        kind="failure.assigned",
        by=by,
        now=now,
        outcome="assigned" if to else "unassigned",
        details={"to": to.username if to else None},
    )
    return Handled(before, mark_of(failure))


def _change(failure: Failure, **columns: object) -> None:
    """Write columns that only people change; `count` and `last_seen` belong to ingest."""
    if not Failure.objects.filter(pk=failure.pk).update(**columns):
        raise Stale
    for name, value in columns.items():
        setattr(failure, name, value)
