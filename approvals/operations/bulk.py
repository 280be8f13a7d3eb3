"""Approving several held actions in one step: of one verb and one agent, within what their queues admit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from approvals.amounts import amount_to_confirm
from approvals.models import ApprovalRequest
from approvals.operations.opening import current_revision
from approvals.operations.requests import vote
from approvals.refusals import TooManyAtOnce
from approvals.states import Verdict
from audit.ids import new_id
from audit.operations import record
from audit.refusals import Missing, Refusal
from registry.models import User


@dataclass(frozen=True, slots=True)
class Read:
    """What a person has read of one request."""

    request_id: UUID
    revision: int
    digest: str


@dataclass(frozen=True, slots=True)
class Voted:
    """What became of one of them.

    Attributes:
        request_id: which.
        refusal: why it was left as it was; empty where the vote counts.
        state: of the request, after it.
    """

    request_id: UUID
    refusal: str
    state: str


def bulk_limit(request: ApprovalRequest) -> int:
    """Return how many requests its queues let approve in one step; 0: one by one."""
    return min((queue.bulk_limit for queue in request.queues.all()), default=0)


@transaction.atomic
def approve_many(*, read: Sequence[Read], comment: str, by: User, now: datetime) -> tuple[Voted, ...]:
    """Approve what was read. Each is a vote of its own: one that became stale is left, the others count.

    Args:
        read: the requests, each at the revision that was read.
        comment: goes with every vote.
        by: the reviewer, in person.
        now: aware UTC.

    Returns:
        What became of each, in the same order.

    Raises:
        Missing: one of them is not theirs to see.
        TooManyAtOnce: more than a queue's ``bulk_limit``, several verbs or agents, or an amount that is typed.
    """
    rows = ApprovalRequest.objects.visible_to(by).filter(pk__in=[each.request_id for each in read])
    found = {row.pk: row for row in rows.select_related("agent", "decision").prefetch_related("queues")}
    if not read or any(each.request_id not in found for each in read):
        raise Missing
    _require_alike(list(found.values()), number=len(read))
    # In one order for everybody: two people who approve the same ones would wait for each other's rows otherwise.
    became = {each: _vote(each, comment, by=by, now=now) for each in sorted(read, key=lambda one: one.request_id)}
    voted = tuple(became[each] for each in read)
    first = found[read[0].request_id]
    record(
        kind="approval.bulk_approved",
        object_type="approval",
        object_id=str(new_id()),
        by=by,
        now=now,
        team=first.team,
        agent=first.agent.slug,
        outcome="approve",
        details={
            "verb": first.decision.verb,
            "requests": [str(each.request_id) for each in voted if not each.refusal],
            "left": [str(each.request_id) for each in voted if each.refusal],
        },
    )
    return voted


def _require_alike(rows: Sequence[ApprovalRequest], *, number: int) -> None:
    if len({(row.agent_id, row.decision.verb) for row in rows}) > 1:
        raise TooManyAtOnce("One step approves requests of one verb and one agent.")
    limit = min(bulk_limit(row) for row in rows)
    if number > limit:
        text = f"at most {limit} at once" if limit else "each request by itself"
        raise TooManyAtOnce(f"The queue admits {text}.")
    for row in rows:
        if amount_to_confirm(list(row.queues.all()), current_revision(row).facts) is not None:
            raise TooManyAtOnce("One of the amounts is typed when it is approved: approve it by itself.")


def _vote(read: Read, comment: str, *, by: User, now: datetime) -> Voted:
    try:
        # A savepoint: a refused vote leaves nothing, and the others stand.
        with transaction.atomic():
            request = vote(
                request_id=read.request_id, revision=read.revision, verdict=Verdict.APPROVE, digest=read.digest,
                comment=comment, by=by, now=now,
            )  # fmt: skip
    except Refusal as refusal:
        return Voted(read.request_id, refusal.detail, "")
    return Voted(read.request_id, "", request.state)
