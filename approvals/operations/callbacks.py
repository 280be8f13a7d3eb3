"""Keeping an agent's callback address until its request is closed."""

from __future__ import annotations

from datetime import datetime

from approvals.models import ApprovalRequest, Callback
from audit.actors import Acting
from audit.transitions import note


def keep_callback(*, request: ApprovalRequest, sealed: str) -> Callback:
    """Keep where to call, in the transaction that holds the action; its entry is the request's own.

    Args:
        request: the held action.
        sealed: the address, encrypted for `Callback.place`.
    """
    return Callback.objects.create(request=request, url=sealed)


def forget_callback(*, callback: Callback, outcome: str, by: Acting, now: datetime) -> None:
    """Forget an address, in the transaction that handed it over.

    Args:
        callback: with its request and agent.
        outcome: ``queued``, or ``dropped`` where it is called no more.
        by: who.
        now: aware UTC.
    """
    note(callback.request, kind="approval.callback", by=by, now=now, outcome=outcome)
    callback.delete()
