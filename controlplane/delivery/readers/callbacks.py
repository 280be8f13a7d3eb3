"""The reader that tells an agent's callback address what became of its held action.

What is sent is a hint: the grant decides. Whoever receives it acts on ``approved`` being true and nothing else, and
still has to redeem.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from approvals.models import Callback
from approvals.operations import forget_callback
from approvals.states import ApprovalState
from audit.actors import System
from audit.ids import read_id
from audit.models import Entry
from controlplane import atrest
from controlplane.delivery.operations.callbacks import deliver_once
from controlplane.delivery.readers.following import Reader, Sealed
from controlplane.outgoing import UnsafeUrl
from policies.states import Effect

NAME = "callbacks"
_BY = System(NAME)

logger = structlog.get_logger(__name__)


def _call_back(batch: Sequence[Sealed], now: datetime) -> int:
    """Queue one call for each request that was closed; return how many."""
    closing = {
        request_id: each.entry
        for each in batch
        if each.entry.object_type == "approval" and (request_id := read_id(each.entry.object_id)) is not None
    }
    queued = 0
    for callback in Callback.objects.decided(closing).select_related("request__agent"):
        outcome = "queued" if _queue(callback, closing[callback.request_id], now=now) else "dropped"
        queued += outcome == "queued"
        forget_callback(callback=callback, outcome=outcome, by=_BY, now=now)
    return queued


def _queue(callback: Callback, entry: Entry, *, now: datetime) -> bool:
    request = callback.request
    try:
        deliver_once(
            key=f"approval:{request.pk}",
            url=atrest.open_sealed(callback.url, place=Callback.place(request.pk)),
            body=told(callback),
            kind="approval.decided",
            by=_BY,
            now=now,
            event_id=entry.id,
            team=request.team,
            agent=request.agent.slug,
        )
    except (UnsafeUrl, atrest.Unreadable) as error:
        # The operator's list changed meanwhile, or the key did: nobody is called, and the agent asks as it always may.
        logger.warning("a callback is not made", approval=str(request.pk), error=type(error).__name__)
        return False
    return True


def told(callback: Callback) -> dict[str, Any]:
    """Return what is sent: whether people approved, and what that comes to."""
    approved = callback.request.state == ApprovalState.APPROVED
    effect = Effect.ALLOW if approved else Effect.DENY
    return {"action_id": str(callback.request.decision_id), "approved": approved, "effect": str(effect)}


CALLBACKS = Reader(NAME, take=_call_back)
