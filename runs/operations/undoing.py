"""Taking back what was just done about a failure: it is as it was before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction

from audit.actors import Acting
from audit.refusals import Stale
from audit.transitions import move, note
from audit.undoing import require_untouched
from runs.models import Failure
from runs.permissions import may_handle_failure


@dataclass(frozen=True, slots=True)
class FailureMark:
    """What people change of a failure; occurrences belong to ingest.

    Attributes:
        state: of `runs.states.FailureState`.
        assigned_to_id, resolved_in_id: keys.
        muted_until, resolved_at: aware UTC.
    """

    state: str
    assigned_to_id: int | None
    muted_until: datetime | None
    muted_until_count: int | None
    resolved_at: datetime | None
    resolved_in_id: int | None


@dataclass(frozen=True, slots=True)
class Handled:
    """A failure before and after something was done about it."""

    before: FailureMark
    after: FailureMark


def mark_of(failure: Failure) -> FailureMark:
    """Read what people change of a failure, inside the transaction that changes it.

    Raises:
        Stale: it is gone.
    """
    # PostgreSQL keeps others away until the end; on SQLite whoever writes is alone anyway.
    row = Failure.objects.select_for_update().filter(pk=failure.pk).values(*FailureMark.__slots__).first()
    if row is None:
        raise Stale
    return FailureMark(**row)


@transaction.atomic
def undo_failure(*, failure: Failure, done: Handled, done_at: datetime, by: Acting, now: datetime) -> None:
    """Put a failure back to what it was before something was done about it, if nobody did anything else since.

    Occurrences that came in between do not matter, unless they brought a resolved failure back.

    Args:
        failure: the failure.
        done: what the operation that is taken back returned.
        done_at: the `now` of that operation.
        by: who did it.
        now: aware UTC.

    Raises:
        Missing, Forbidden: not theirs, or not any more.
        Gone: the ten seconds are over.
        Conflict: somebody changed it in between.
    """
    may_handle_failure(by, failure)
    require_untouched(failure, done_at=done_at, by=by, now=now)
    before = asdict(done.before)
    state = before.pop("state")
    if not Failure.objects.filter(pk=failure.pk, **asdict(done.after)).update(**before):
        raise Stale("The failure changed in the meantime; nothing was undone.")
    changed = {name: _told(value) for name, value in before.items() if value != getattr(done.after, name)}
    failure.state = done.after.state
    for name, value in before.items():
        setattr(failure, name, value)
    if state != done.after.state:
        move(failure, state, kind="failure.undone", by=by, now=now, details=changed)
    else:
        note(failure, kind="failure.undone", by=by, now=now, outcome=state, details=changed)


def _told(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
