"""Scheduled work of approvals: writing down what time has already decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import shared_task

from approvals.models import ApprovalRequest, Grant
from approvals.operations import cancel_request, expire_grant, expire_request, mark_silent, revoke_grant
from audit import sql
from audit.actors import System
from audit.refusals import Conflict

SWEEPER = System("expiry_sweep")


def _each(rows: Any, operation: Callable[[Any], None]) -> int:
    """Apply an operation to each row; a row that somebody else moved first needs nothing."""
    done = 0
    for row in rows:
        try:
            operation(row)
            done += 1
        except Conflict:
            continue
    return done


@shared_task(name="approvals.sweep")
def sweep(**_: Any) -> int:
    """Void what a transfer left behind, expire requests and grants, mark grants whose outcome is overdue."""
    now = sql.now()
    requests = ApprovalRequest.objects.overdue(now).select_related("agent")[:500]
    lapsed = Grant.objects.lapsed(now).select_related("agent")[:500]
    silent = Grant.objects.silent(now).select_related("agent")[:500]
    moved = ApprovalRequest.objects.voided().select_related("agent")[:500]
    void = Grant.objects.voided().select_related("agent")[:500]
    reason = "the agent was transferred"
    return (
        _each(moved, lambda row: cancel_request(request=row, by=SWEEPER, now=now, reason=reason))
        + _each(void, lambda row: revoke_grant(grant=row, reason=reason, by=SWEEPER, now=now))
        + _each(requests, lambda row: expire_request(request=row, by=SWEEPER, now=now))
        + _each(lapsed, lambda row: expire_grant(grant=row, by=SWEEPER, now=now))
        + _each(silent, lambda row: mark_silent(grant=row, by=SWEEPER, now=now))
    )
