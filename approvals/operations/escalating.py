"""What time does to a held action before it ends: a reminder, and further people who may vote."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F

from approvals.models import ApprovalRequest, Escalation, Queue
from approvals.states import ApprovalState
from audit.actors import Acting
from audit.refusals import Stale
from audit.transitions import note


@transaction.atomic
def remind(*, request: ApprovalRequest, by: Acting, now: datetime) -> None:
    """Write down, once, that a request is about to expire; notifications follow the trail.

    Args:
        request: pending, with its reminder due.
        by: whoever keeps the time.
        now: aware UTC.

    Raises:
        Stale: it is closed, or somebody reminded first.
    """
    due = ApprovalRequest.objects.filter(pk=request.pk, state=ApprovalState.PENDING, remind_at=request.remind_at)
    if request.remind_at is None or not due.update(remind_at=None):
        raise Stale(f"approval {request.pk} needs no reminder any more.")
    note(
        request,
        kind="approval.reminded",
        by=by,
        now=now,
        outcome=request.state,
        details={"expires_at": request.expires_at.isoformat(), "queues": _names(request), "to": _lent(request)},
    )


@transaction.atomic
def escalate(*, request: ApprovalRequest, queue: Queue, by: Acting, now: datetime) -> None:
    """Let the reviewers of another queue vote for one that let a request wait too long.

    It adds people. The quorum, the rules and the earlier votes stay those of the queue; the deadline
    does not move.

    Args:
        request: pending in the queue.
        queue: with its escalation.
        by: whoever keeps the time.
        now: aware UTC.

    Raises:
        Stale: it is closed, was escalated before, or the queue escalates no more.
    """
    # The UPDATE that changes nothing is the lock, as for votes.
    open_now = ApprovalRequest.objects.filter(pk=request.pk, state=ApprovalState.PENDING).update(revision=F("revision"))
    if not open_now or queue.escalate_to is None:
        raise Stale(f"approval {request.pk} is not escalated any more.")
    _, fresh = Escalation.objects.get_or_create(
        request=request, queue=queue, defaults={"to": queue.escalate_to, "at": now}
    )
    if not fresh:
        raise Stale(f"approval {request.pk} was escalated before.")
    note(
        request,
        kind="approval.escalated",
        by=by,
        now=now,
        outcome=request.state,
        details={
            "expires_at": request.expires_at.isoformat(),
            "queue": queue.slug,
            "to": queue.escalate_to.slug,
        },
    )


def _names(request: ApprovalRequest) -> list[str]:
    return sorted(request.queues.values_list("slug", flat=True))


def _lent(request: ApprovalRequest) -> list[str]:
    """Name the queues to which it was escalated: their people may vote too."""
    return sorted(set(Escalation.objects.filter(request=request).values_list("to__slug", flat=True)))
