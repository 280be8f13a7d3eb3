"""What stands beside a held action: what came of others like it, the ones before and after it, how fast one votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from approvals.measures import GLANCE_MS
from approvals.models import ActionRevision, ApprovalRequest, Grant, Override, Vote
from approvals.operations import bulk_limit
from approvals.permissions import obstacle_to_vote
from approvals.states import ApprovalState
from controlplane.console.admins import page_of
from registry.models import User

ALIKE: Final = 20
_TEN: Final = 10
_MOST_LOOKED_AT: Final = 50


@dataclass(frozen=True, slots=True)
class Alike:
    """A closed request of the same agent, verb and queue.

    Attributes:
        grant: state of the grant that came out of it, or empty.
        should: what somebody says it should have been, or empty.
    """

    url: str
    state: str
    at: datetime
    grant: str
    should: str


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The requests before and after this one, of those that wait for the person; empty at the ends."""

    before: str
    after: str


def read_alike(request: ApprovalRequest, user: User) -> tuple[Alike, ...]:
    """Read how the last closed requests of the same agent, verb and queues ended, of those that the person sees."""
    queues = [queue.pk for queue in request.queues.all()]
    rows = (
        ApprovalRequest.objects.visible_to(user)
        .filter(agent=request.agent_id, decision__verb=request.decision.verb, queues__in=queues)
        .exclude(state=ApprovalState.PENDING)
        .exclude(pk=request.pk)
        .order_by("-id")
        .distinct()
    )
    found = list(rows[:ALIKE])
    grants = dict(Grant.objects.filter(approval__in=found).values_list("approval", "state"))
    marks = Override.objects.filter(decision__in=[row.decision_id for row in found]).order_by("at")
    should = dict(marks.values_list("decision", "should"))
    return tuple(
        Alike(
            page_of(row), row.state, row.closed_at or row.expires_at, grants.get(row.pk, ""),
            should.get(row.decision_id, ""),
        )
        for row in found
    )  # fmt: skip


def waiting_for(user: User, *, now: datetime) -> list[ApprovalRequest]:
    """Return what waits for a person and is theirs to vote on, not voted on by them yet, soonest first."""
    rows = ApprovalRequest.objects.in_time(now).reviewed_by(user).order_by("expires_at", "id")
    found = list(rows.select_related("agent", "decision").prefetch_related("queues")[:_MOST_LOOKED_AT])
    voted = set(Vote.objects.filter(voter=user, request__in=found).values_list("request", "revision"))
    own = ActionRevision.objects.filter(request__in=found, author=user).order_by("number")
    authors = dict(own.values_list("request", "number"))
    return [
        row
        for row in found
        if (row.pk, row.revision) not in voted
        and row.asked_by_key_of_id != user.pk
        and authors.get(row.pk) != row.revision
    ]


def next_for(user: User, *, now: datetime, but: ApprovalRequest) -> ApprovalRequest | None:
    """Return the next request on which a person may vote; None where nothing waits for them."""
    for row in waiting_for(user, now=now):
        if row.pk == but.pk:
            continue
        current = ActionRevision.objects.get(request=row, number=row.revision)
        if not obstacle_to_vote(row, user, author_id=current.author_id, queues=list(row.queues.all())):
            return row
    return None


def neighbours(request: ApprovalRequest, waiting: Sequence[ApprovalRequest]) -> Neighbours:
    """Find what stands before and after a request."""
    places = [row.pk for row in waiting]
    if request.pk not in places:
        return Neighbours("", page_of(waiting[0]) if waiting else "")
    at = places.index(request.pk)
    return Neighbours(page_of(waiting[at - 1]) if at else "", page_of(waiting[at + 1]) if at + 1 < len(waiting) else "")


def together(request: ApprovalRequest, waiting: Sequence[ApprovalRequest]) -> int:
    """Return how many requests like this one may be approved with it in one step; 0 where none may."""
    limit = bulk_limit(request)
    alike = sum(like(row, request) for row in waiting)
    return min(limit, alike) if limit > 1 and alike > 1 else 0


def like(row: ApprovalRequest, request: ApprovalRequest) -> bool:
    """Whether two requests are of one verb and one agent."""
    return row.agent_id == request.agent_id and row.decision.verb == request.decision.verb


def votes_at_a_glance(user: User) -> bool:
    """Whether a person's last ten votes came within three seconds each of their first opening the bytes."""
    took = list(Vote.objects.filter(voter=user).order_by("-at").values_list("took_ms", flat=True)[:_TEN])
    return len(took) == _TEN and all(ms is not None and ms < GLANCE_MS for ms in took)
