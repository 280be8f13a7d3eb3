"""Whom the events of one batch concern: what tells that is read once, for all of its events and for everybody.

It runs in the transaction of the reader's cursor, which shuts out every other writer on SQLite: a question for each
event and person would make agents wait.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from approvals.models import ApprovalRequest, Escalation, Queue
from audit.models import Entry
from controlplane.delivery.notices import FOR_REVIEWERS, GLASS, NOTICES, OF_APPROVALS, Notice
from registry.models import Agent, Team, User
from registry.permissions import operators_of
from registry.preferences import delegate_at
from registry.states import Role

_OF_REQUEST = ("team", "asked_by_key_of", "expires_at", "agent__owner", "decision__verb")


@dataclass(frozen=True, slots=True)
class Concern:
    """What a batch is about, and who has to do with it; people are given by their keys.

    Attributes:
        requests: the held actions, with decision and agent, by id.
        seated: who may vote on each of them by their queues, as `ApprovalQuerySet.reviewed_by` has it, by id.
        owners: who owns each agent, by slug.
        operators: who operates each team, by slug.
        absent: active people, by whoever is told for them at this moment.
    """

    requests: dict[str, ApprovalRequest]
    seated: dict[str, set[int]]
    owners: dict[str, int]
    operators: dict[str, set[int]]
    absent: dict[int, list[User]]

    def takers(self, entry: Entry, notice: Notice, people: Iterable[User]) -> set[int]:
        """Return whom of the given people an event concerns, themselves or as somebody's delegate."""
        return {
            user.pk
            for user in people
            if self.concerns(entry, notice, user)
            or (notice.word in OF_APPROVALS and self._stands_in(entry, notice, user))
        }

    def concerns(self, entry: Entry, notice: Notice, user: User) -> bool:
        """Say whether an event concerns a person: reviewers what waits for them, others what they answer for."""
        if notice is GLASS:
            return self._concerns_glass(entry, user)
        if notice.word in FOR_REVIEWERS:
            request = self.requests.get(entry.object_id)
            # Who issued the asking key may not vote on what was asked with it.
            return request is not None and user.pk in self._seats(request) and request.asked_by_key_of_id != user.pk
        if notice is NOTICES["kill"] and not entry.team:
            return True
        if not entry.team and user.role == Role.ADMIN:
            return True
        if entry.agent:
            return self.owners.get(entry.agent) == user.pk
        return user.pk in self.operators.get(entry.team, ())

    def _concerns_glass(self, entry: Entry, user: User) -> bool:
        """Say whether a person was passed over, or answers for the agent or its team."""
        request = self.requests.get(entry.object_id)
        return (
            (request is not None and user.pk in self._seats(request))
            or self.owners.get(entry.agent) == user.pk
            or user.pk in self.operators.get(entry.team, ())
        )

    def _stands_in(self, entry: Entry, notice: Notice, user: User) -> bool:
        """Say whether a person is told for somebody whose delegate they are now, and sees what it is about."""
        request = self.requests.get(entry.object_id)
        return (
            request is not None
            and any(self.concerns(entry, notice, each) for each in self.absent.get(user.pk, ()))
            and self._sees(user, request)
        )

    def _sees(self, user: User, request: ApprovalRequest) -> bool:
        """Say of one request what `ApprovalQuerySet.visible_to` says of many."""
        return (
            user.sees_everything
            or user.pk in self._seats(request)
            or user.pk in self.operators.get(request.team, ())
            or request.agent.owner_id == user.pk
        )

    def _seats(self, request: ApprovalRequest) -> Collection[int]:
        return self.seated.get(str(request.pk), ())


def read_concern(told: Iterable[tuple[Entry, Notice]], *, now: datetime) -> Concern:
    """Read what tells whom events concern, in a number of queries that neither events nor people change.

    Args:
        told: the events.
        now: aware UTC.
    """
    events = list(told)
    ids = {entry.object_id for entry, notice in events if notice.word in OF_APPROVALS}
    rows = ApprovalRequest.objects.filter(pk__in=ids).select_related("agent", "decision").only(*_OF_REQUEST)
    requests = {str(request.pk): request for request in rows}
    agents = Agent.objects.filter(slug__in={entry.agent for entry, _ in events})
    teams = {entry.team for entry, _ in events} | {request.team for request in requests.values()}
    return Concern(
        requests,
        _seated(requests.values()),
        dict(agents.values_list("slug", "owner_id")),
        operators_of(Team.objects.filter(slug__in=teams)),
        _absent(now),
    )


def _seated(requests: Collection[ApprovalRequest]) -> dict[str, set[int]]:
    held = ApprovalRequest.queues.through.objects.filter(approvalrequest__in=requests)
    lent = Escalation.objects.filter(request__in=requests)
    stands_in = [*held.values_list("approvalrequest_id", "queue_id"), *lent.values_list("request_id", "to_id")]
    queues = Queue.objects.filter(pk__in={queue for _, queue in stands_in}).order_by()
    seats: defaultdict[int, set[int]] = defaultdict(set)
    for queue, person in (*queues.values_list("pk", "reviewers__members"), *queues.values_list("pk", "people")):
        seats[queue].add(person)
    found: defaultdict[str, set[int]] = defaultdict(set)
    for request, queue in stands_in:
        found[str(request)] |= seats[queue]
    return dict(found)


def _absent(now: datetime) -> dict[int, list[User]]:
    found: defaultdict[int, list[User]] = defaultdict(list)
    for user in User.objects.filter(is_active=True, delegate__isnull=False):
        delegate = delegate_at(user.preferences, now)
        if delegate is not None:
            found[delegate].append(user)
    return dict(found)
