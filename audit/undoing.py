"""Taking back what was just done: for ten seconds, by whoever did it, while nobody did anything else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from audit.actors import Acting
from audit.models import Entry
from audit.refusals import Conflict, Gone
from audit.transitions import Audited

UNDO_FOR: Final = timedelta(seconds=10)


def require_untouched(target: Audited, *, done_at: datetime, by: Acting, now: datetime) -> None:
    """Let pass what may still be taken back.

    The trail knows what else was done to an object. What commits at the same time is caught by the guard of the
    UPDATE that takes it back.

    Args:
        target: what it was done to.
        done_at: when, as its entries say it; aware UTC.
        by: who did it, and takes it back.
        now: aware UTC.

    Raises:
        Gone: the ten seconds are over.
        Conflict: something else was done to it in between.
    """
    if now - done_at > UNDO_FOR:
        message = f"What was done can be undone for {UNDO_FOR.seconds} seconds. They are over; nothing was changed."
        raise Gone(message)
    since = Entry.objects.about(target.audit_type, target.audit_id).since(done_at)
    other = since.exclude(Q(at=done_at, actor_id=by.actor.id)).order_by("-id").first()
    if other is not None:
        message = f"{other.actor_id} changed it in the meantime ({other.kind}); nothing was undone."
        raise Conflict(message)
