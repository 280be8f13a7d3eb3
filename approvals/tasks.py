"""Scheduled work of approvals: writing down what time has already decided."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from celery import shared_task

from approvals.models import ApprovalRequest, Grant, Queue
from approvals.operations import (
    cancel_request,
    escalate,
    expire_grant,
    expire_request,
    mark_silent,
    remind,
    revoke_grant,
)
from audit import sql
from audit.actors import System
from audit.refusals import Conflict

SWEEPER = System("expiry_sweep")
CLOCK = System("approval_clock")


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


@shared_task(name="approvals.watch")
def watch(**_: Any) -> int:
    """Remind of requests that are about to expire, and escalate those that waited too long."""
    now = sql.now()
    done = _each(
        ApprovalRequest.objects.unreminded(now).select_related("agent")[:500],
        lambda row: remind(request=row, by=CLOCK, now=now),
    )
    for queue in Queue.objects.filter(escalate_to__isnull=False).select_related("escalate_to"):
        rows = ApprovalRequest.objects.unescalated(queue, now).select_related("agent")[:500]
        done += _each(rows, partial(_escalate, queue, now))
    return done


def _escalate(queue: Queue, now: datetime, request: ApprovalRequest) -> None:
    escalate(request=request, queue=queue, by=CLOCK, now=now)
