"""The exact bytes of held actions: opened by people, with an entry in the trail, before they approve."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from approvals.models import ActionRevision, ApprovalRequest
from approvals.permissions import may_read_bytes
from approvals.refusals import NotOpened
from audit.models import Entry
from audit.refusals import Forbidden
from audit.transitions import note
from registry.models import User


def current_revision(request: ApprovalRequest) -> ActionRevision:
    """Return the revision that is voted on."""
    return ActionRevision.objects.get(request=request, number=request.revision)


@transaction.atomic
def read_bytes(*, request: ApprovalRequest, by: User, now: datetime) -> ActionRevision:
    """Open the exact bytes of the current revision; the reading is audited.

    Raises:
        Forbidden: not theirs to read.
    """
    if not may_read_bytes(request, by):
        raise Forbidden("Only its reviewers and the owner's team may read these bytes.")
    revision = current_revision(request)
    note(
        request,
        kind="payload.read",
        by=by,
        now=now,
        after=revision.digest,
        details={"revision": revision.number},
    )
    return revision


def first_opened(request: ApprovalRequest, by: User, digest: str) -> datetime | None:
    """Return when a person first opened these bytes, as the trail knows it; None where they never did."""
    opened = Entry.objects.about(request.audit_type, request.audit_id).filter(
        kind="payload.read", actor_id=by.username, after_digest=digest
    )
    return opened.order_by("id").values_list("at", flat=True).first()


def require_opened(opened_at: datetime | None) -> None:
    """Admit an approval of bytes that its voter has opened: a digest can be had without reading what it is of.

    Args:
        opened_at: what `first_opened` says.

    Raises:
        NotOpened: they never did.
    """
    if opened_at is None:
        raise NotOpened("Open the request first: you approve the bytes you read.")
