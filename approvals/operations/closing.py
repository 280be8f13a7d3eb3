"""Deleting queues that were never used."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from approvals.models import ApprovalRequest, Escalation, Queue
from approvals.operations.queues import QUEUES_LOCK, queue_document
from approvals.permissions import may_manage_queue
from audit import sql
from audit.canonical import digest
from audit.refusals import Conflict
from audit.transitions import note
from policies.routes import named_queue
from policies.snapshots import published
from registry.models import User
from registry.permissions import found


def rules_naming(queue: Queue) -> list[str]:
    """Name the published rules that send actions to a queue, as ``policy/rule``."""
    revision = published()
    documents: dict[str, Any] = revision.document if revision else {}
    return [
        f"{slug}/{body['name']}"
        for slug, policy in documents.items()
        for rule in policy.get("rules", ())
        for kind, body in rule.items()
        if kind == "review" and named_queue(str(body.get("queue", ""))) == queue.slug
    ]


@transaction.atomic
def delete_queue(*, queue: Queue, by: User, now: datetime) -> None:
    """Delete a queue that no request was ever held in and no published rule names.

    One that held requests stays: their record says whose votes counted. Without a rule that names
    it, it receives nothing more.

    Args:
        queue: the queue.
        by: an administrator, or an operator of every team that reviews it.
        now: aware UTC.

    Raises:
        Missing: it is gone.
        Forbidden: not theirs to do.
        Conflict: something waits or waited in it, or a published rule names it.
    """
    sql.advisory_lock(QUEUES_LOCK)
    queue = found(Queue.objects.filter(pk=queue.pk))
    reviewing = list(queue.reviewers.all())
    may_manage_queue(by, before=reviewing, after=[], people=list(queue.people.all()))
    rules = rules_naming(queue)
    if rules:
        raise Conflict(f"Published rules send actions to {queue.slug}: {', '.join(rules)}.")
    lending = list(Queue.objects.filter(escalate_to=queue).values_list("slug", flat=True))
    if lending:
        raise Conflict(f"Other queues escalate to {queue.slug}: {', '.join(lending)}.")
    if Escalation.objects.filter(to=queue).exists():
        raise Conflict(f"Requests were escalated to {queue.slug}, and their record names it, so that it stays.")
    held = ApprovalRequest.objects.filter(queues=queue)
    if held.open().exists():
        raise Conflict(f"Requests wait in {queue.slug}.")
    if held.exists():
        raise Conflict(f"Requests were decided in {queue.slug}, and their record names it, so that it stays.")
    before = queue_document(queue)
    note(queue, kind="queue.deleted", by=by, now=now, before=digest("acp.queue.v1", before), details=before)
    queue.delete()
