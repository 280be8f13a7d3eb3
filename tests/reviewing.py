"""A vote as production knows it: the person opens the bytes, then says what they think of them."""

from __future__ import annotations

from typing import Any

from approvals.models import ApprovalRequest
from approvals.operations import read_bytes, vote
from approvals.operations.opening import current_revision
from approvals.permissions import may_read_bytes
from approvals.states import Verdict
from audit import sql
from registry.models import User


def read_and_vote(
    request: ApprovalRequest, *, by: User, verdict: str = Verdict.APPROVE, **other: Any
) -> ApprovalRequest:
    """Vote on the current bytes; whoever may not read them votes all the same, and is refused.

    Args:
        request: as it stands in the database.
        by: the reviewer.
        verdict: approve or reject.
        other: what the vote is to carry instead of what was read.
    """
    fields = {
        "revision": request.revision,
        "digest": current_revision(request).digest,
        "comment": "",
        "now": sql.now(),
        **other,
    }
    if may_read_bytes(request, by):
        read_bytes(request=request, by=by, now=fields["now"])
    return vote(request_id=request.pk, verdict=Verdict(verdict), by=by, **fields)
