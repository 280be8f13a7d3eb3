"""Break-glass: one person approves in the place of the reviewers, by a right of its own, and everybody can see it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from approvals.amounts import amount_to_confirm, require_amount
from approvals.models import ActionRevision, ApprovalRequest
from approvals.operations.opening import current_revision
from approvals.operations.requests import grant_approved, lock_pending
from approvals.permissions import BREAK_GLASS, may_break_glass, require_break_glass
from approvals.refusals import DestinationNotConfirmed, DigestMismatch, NotOpened
from approvals.states import ApprovalState
from audit.models import Entry
from audit.refusals import Forbidden, Invalid, Problem
from audit.transitions import move, note
from registry.models import User
from registry.operations import give_right, withdraw_right

NOWHERE = "no destination"


def grant_break_glass(*, user: User, by: User, now: datetime) -> bool:
    """Give the right to approve under break-glass; say whether it was missing.

    Raises:
        Forbidden: not an administrator, or an administrator who would give it to themselves.
    """
    if user.pk == by.pk:
        raise Forbidden("Another administrator gives you this right.")
    return give_right(user=user, right=BREAK_GLASS, by=by, now=now)


def withdraw_break_glass(*, user: User, by: User, now: datetime) -> bool:
    """Take the right back; say whether it was there.

    Raises:
        Forbidden: not an administrator.
    """
    return withdraw_right(user=user, right=BREAK_GLASS, by=by, now=now)


@transaction.atomic
def read_under_break_glass(*, request: ApprovalRequest, reason: str, by: User, now: datetime) -> ActionRevision:
    """Open the exact bytes of a pending request, for somebody who may overrule its reviewers.

    Raises:
        Forbidden: without the right.
        Invalid: no reason.
    """
    require_break_glass(request, by)
    _require_reason(reason)
    revision = current_revision(request)
    note(
        request,
        kind="payload.break_glass",
        by=by,
        now=now,
        after=revision.digest,
        details={"reason": reason, "revision": revision.number},
    )
    return revision


@transaction.atomic
def overrule(
    *,
    request_id: UUID,
    revision: int,
    digest: str,
    destination: str,
    reason: str,
    by: User,
    now: datetime,
    confirmed_amount: str = "",
) -> ApprovalRequest:
    """Approve in the place of the reviewers.

    Args:
        request_id: a pending request.
        revision: the revision read.
        digest: of the bytes read.
        destination: its first destination, as the person typed it.
        reason: why; kept in the trail.
        by: with the right to break glass, in person.
        now: aware UTC.
        confirmed_amount: the amount as typed, where a queue asks for it.

    Raises:
        PreconditionFailed, AlreadyDecided, Expired: see `lock_pending`.
        NotAReviewer, Forbidden: without the right, or what they would approve is their own.
        DigestMismatch: other bytes than the current ones.
        NotOpened: they have not read these bytes.
        DestinationNotConfirmed: another destination was typed.
        AmountNotConfirmed: another amount was typed.
        Invalid: no reason.
    """
    request = lock_pending(request_id=request_id, revision=revision, now=now)
    require_break_glass(request, by)
    current = current_revision(request)
    if digest != current.digest:
        raise DigestMismatch
    _require_reason(reason)
    _require_opened(request, current, by)
    if destination.strip() != first_destination(current):
        detail = "Type the destination as it stands in the request."
        raise DestinationNotConfirmed(detail, errors=[Problem("/destination", "destination_not_confirmed", detail)])
    queues = list(request.queues.all())
    require_amount(amount_to_confirm(queues, current.facts), confirmed_amount)
    move(
        request,
        ApprovalState.APPROVED,
        by=by,
        now=now,
        kind="approval.break_glass",
        fields={"closed_at": now, "overridden_by": by},
        details={
            "reason": reason,
            "revision": revision,
            "digest": digest,
            "queues": sorted(queue.slug for queue in queues),
        },
    )
    grant_approved(request=request, digest=digest, by=by, now=now)
    return request


def overruling_stands(request: ApprovalRequest) -> bool:
    """Whether it was approved under break-glass by somebody who still has that right."""
    return request.overridden_by is not None and may_break_glass(request, request.overridden_by)


def first_destination(revision: ActionRevision) -> str:
    """Return what is typed: the first destination, or words where there is none."""
    destinations = revision.facts["destinations"]
    return str(destinations[0]) if destinations else NOWHERE


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("Give a reason.", errors=[Problem("/reason", "reason", "Give a reason.")])


def _require_opened(request: ApprovalRequest, current: ActionRevision, by: User) -> None:
    """Check that the person has opened these very bytes; the trail knows."""
    opened = Entry.objects.about(request.audit_type, request.audit_id).filter(
        kind="payload.break_glass", actor_id=by.username, after_digest=current.digest
    )
    if not opened.exists():
        raise NotOpened
