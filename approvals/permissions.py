"""Who may vote on and edit held actions, and who may see their bytes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q

from approvals.models import ApprovalRequest, Escalation, Grant, Queue, Vote
from approvals.refusals import EditsClosed, NotAReviewer
from approvals.states import Verdict
from audit.refusals import Forbidden
from registry.models import Team, User
from registry.rights import Right
from registry.states import Role

BREAK_GLASS = Right("approvals", "break_glass")
# Whoever runs the tool knows only yes and no: edited arguments would be approved, and the agent's own would run.
CALLS_STAY = "A tool call runs with the agent's own arguments, so nobody edits them. Reject it and say why."


def may_manage_queue(
    user: User,
    *,
    before: Collection[Team],
    after: Collection[Team],
    people: Collection[User] = (),
) -> None:
    """Let pass administrators, and operators of every team that reviews the queue now or would then.

    Args:
        user: who would change it.
        before: the teams that review it.
        after: the teams that would.
        people: who reviews it in person, now or then: an operator answers for members of their teams.

    Raises:
        Forbidden: anybody else; who decides for a team is that team's operators' to say.
    """
    if user.is_active and user.role == Role.ADMIN:
        return
    operated = Team.objects.operated_by(user) if user.is_active else Team.objects.none()
    mine = set(operated.values_list("pk", flat=True))
    teams = {team.pk for team in (*before, *after)}
    persons = {person.pk for person in people}
    if user.role != Role.OPERATOR or not (teams or persons) or not teams <= mine:
        raise Forbidden("Queues are managed by administrators and by operators of all their reviewing teams.")
    if persons:
        members = User.objects.filter(pk__in=persons, teams__in=mine)
        if persons - set(members.values_list("pk", flat=True)):
            raise Forbidden("Operators let members of their own teams review in person; administrators anybody.")


def may_route(user: User, *, teams: Collection[str]) -> None:
    """Let a queue take actions by itself: anybody's for administrators, for operators those of their own teams.

    What takes an action sees its bytes and may refuse it.

    Args:
        user: who would change what the queue takes.
        teams: slugs to whose agents the queue is bound; empty: it is bound to none.

    Raises:
        Forbidden: it would take what agents of other teams ask.
    """
    if user.is_active and user.role == Role.ADMIN:
        return
    operated = set(Team.objects.operated_by(user).values_list("slug", flat=True)) if user.is_active else set()
    if not teams or not set(teams) <= operated:
        raise Forbidden(
            "An operator's queue takes by itself only what agents of their own teams ask: name these teams."
        )


def obstacle_to_vote(request: ApprovalRequest, user: User, *, author_id: int | None, queues: Sequence[Queue]) -> str:
    """Say why a person's vote cannot count for any of the request's queues; empty where it can.

    Superusers are not exempt.

    Args:
        request: the held action.
        user: who wants to vote.
        author_id: who wrote the current revision; None for the agent.
        queues: the request's queues.
    """
    if not user.is_active:
        return "This account is not active."
    if user.pk == request.asked_by_key_of_id:
        return "You issued the key that asked; someone else must decide."
    mine = seats(request, queues, user)
    if not mine:
        return "None of the queues that hold this is yours."
    if user.pk == author_id and not all(queue.editor_may_approve for queue in mine):
        return f"You wrote revision {request.revision}; someone else must approve it."
    if user.pk == request.agent.owner_id and not all(queue.owner_may_approve for queue in mine):
        return "You own this agent; this queue wants someone else."
    return ""


def seats(request: ApprovalRequest, queues: Iterable[Queue], user: User) -> list[Queue]:
    """Return the queues for which the person votes on the request; in one query, however many there are.

    They review a queue, by a team or in person; or they review the one to which this queue let the
    request escalate. Such a vote counts towards this queue's quorum, which stays as it is, under
    this queue's rules.
    """
    mine = Queue.objects.reviewed_by(user).values("pk")
    lent = Escalation.objects.filter(request=request, to__in=mine).values("queue")
    queues = list(queues)
    named = Queue.objects.filter(Q(pk__in=mine) | Q(pk__in=lent), pk__in=[queue.pk for queue in queues])
    found = set(named.values_list("pk", flat=True))
    return [queue for queue in queues if queue.pk in found]


def require_vote(request: ApprovalRequest, user: User, *, author_id: int | None, queues: Sequence[Queue]) -> None:
    """Admit a vote.

    Raises:
        NotAReviewer: with the obstacle in words.
    """
    obstacle = obstacle_to_vote(request, user, author_id=author_id, queues=queues)
    if obstacle:
        raise NotAReviewer(obstacle)


def require_edit(request: ApprovalRequest, user: User, *, queues: Sequence[Queue], facts: Mapping[str, Any]) -> None:
    """Admit an edit by a reviewer of one of the queues, where all queues admit edits.

    Args:
        request: the held action.
        user: who would edit.
        queues: the request's queues.
        facts: of the current revision.

    Raises:
        NotAReviewer: not a reviewer here, or the issuer of the asking key.
        EditsClosed: a queue admits no edits, or this is a tool call.
    """
    if not user.is_active or not seats(request, queues, user):
        raise NotAReviewer("None of the queues that hold this is yours.")
    if user.pk == request.asked_by_key_of_id:
        raise NotAReviewer("You issued the key that asked; someone else must edit.")
    if facts.get("call") is not None:
        raise EditsClosed(CALLS_STAY)
    if not all(queue.edits for queue in queues):
        raise EditsClosed


def may_read_bytes(request: ApprovalRequest, user: User) -> bool:
    """Whether the person may see the exact bytes: reviewers while open, the agent's owner in its team always."""
    if not user.is_active:
        return False
    if user.pk == request.agent.owner_id and user.teams.filter(slug=request.team).exists():
        return True
    return request.state == "pending" and bool(seats(request, request.queues.all(), user))


def may_cancel(request: ApprovalRequest, user: User) -> bool:
    """Whether the person may close a request undecided: operators of the team, administrators."""
    return Team.objects.operated_by(user).filter(slug=request.team).exists()


def may_revoke(grant: Grant, user: User) -> bool:
    """Whether the person may void a grant: its approvers, operators of the team, administrators."""
    if Team.objects.operated_by(user).filter(slug=grant.team).exists():
        return True
    if grant.approval_id is None or not user.is_active:
        return False
    return Vote.objects.filter(
        request=grant.approval_id, voter=user, verdict=Verdict.APPROVE, digest=grant.digest
    ).exists()


def has_break_glass(user: User) -> bool:
    """Whether the person holds the right itself; being a superuser or an administrator is not it."""
    return user.is_active and BREAK_GLASS.held_by(user)


def may_break_glass(request: ApprovalRequest, user: User) -> bool:
    """Whether the person may approve in the reviewers' place: the right, and operating the team."""
    return has_break_glass(user) and Team.objects.operated_by(user).filter(slug=request.team).exists()


def require_break_glass(request: ApprovalRequest, user: User) -> None:
    """Admit an approval under break-glass.

    Raises:
        Forbidden: without the right over this team.
        NotAReviewer: they issued the asking key, wrote these bytes, or own the agent where a queue wants someone
            else: nobody approves alone what is their own.
    """
    if not may_break_glass(request, user):
        raise Forbidden("Breaking the glass needs the right of that name, over the agent's team.")
    if user.pk == request.asked_by_key_of_id:
        raise NotAReviewer("You issued the key that asked; someone else must decide.")
    if request.revisions.filter(number=request.revision, author=user).exists():
        raise NotAReviewer(f"You wrote revision {request.revision}; someone else must approve it.")
    if user.pk == request.agent.owner_id and request.queues.filter(owner_may_approve=False).exists():
        raise NotAReviewer("You own this agent; its queues want someone else.")
