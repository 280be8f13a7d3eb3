"""Who may vote on and edit held actions, and who may see their bytes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from approvals.models import ApprovalRequest, Grant, Queue, Vote
from approvals.refusals import EditsClosed, NotAReviewer
from approvals.states import Verdict
from audit.refusals import Forbidden
from registry.models import Team, User
from registry.rights import Right
from registry.states import Role

BREAK_GLASS = Right("approvals", "break_glass")


def may_manage_queue(user: User, *, before: Collection[Team], after: Collection[Team]) -> None:
    """Let pass administrators, and operators of every team that reviews the queue now or would then.

    Raises:
        Forbidden: anybody else; who decides for a team is that team's operators' to say.
    """
    operated = set(Team.objects.operated_by(user).values_list("pk", flat=True)) if user.is_active else set()
    concerned = {team.pk for team in (*before, *after)}
    if user.is_active and user.role == Role.ADMIN:
        return
    if user.role != Role.OPERATOR or not concerned or not concerned <= operated:
        raise Forbidden("Queues are managed by administrators and by operators of all their reviewing teams.")


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
    mine = [queue for queue in queues if seats(queue, user)]
    if not mine:
        return "None of the queues that hold this is yours."
    if user.pk == author_id and not all(queue.editor_may_approve for queue in mine):
        return f"You wrote revision {request.revision}; someone else must approve it."
    if user.pk == request.agent.owner_id and not all(queue.owner_may_approve for queue in mine):
        return "You own this agent; this queue wants someone else."
    return ""


def seats(queue: Queue, user: User) -> bool:
    """Whether the person belongs to a team that reviews the queue."""
    return queue.reviewers.filter(members=user).exists()


def require_vote(request: ApprovalRequest, user: User, *, author_id: int | None, queues: Sequence[Queue]) -> None:
    """Admit a vote.

    Raises:
        NotAReviewer: with the obstacle in words.
    """
    obstacle = obstacle_to_vote(request, user, author_id=author_id, queues=queues)
    if obstacle:
        raise NotAReviewer(obstacle)


def require_edit(request: ApprovalRequest, user: User, *, queues: Sequence[Queue]) -> None:
    """Admit an edit by a reviewer of one of the queues, where all queues admit edits.

    Raises:
        NotAReviewer: not a reviewer here, or the issuer of the asking key.
        EditsClosed: a queue admits no edits.
    """
    if not user.is_active or not any(seats(queue, user) for queue in queues):
        raise NotAReviewer("None of the queues that hold this is yours.")
    if user.pk == request.asked_by_key_of_id:
        raise NotAReviewer("You issued the key that asked; someone else must edit.")
    if not all(queue.edits for queue in queues):
        raise EditsClosed


def may_read_bytes(request: ApprovalRequest, user: User) -> bool:
    """Whether the person may see the exact bytes: reviewers while open, the agent's owner in its team always."""
    if not user.is_active:
        return False
    if user.pk == request.agent.owner_id and user.teams.filter(slug=request.team).exists():
        return True
    return request.state == "pending" and any(seats(queue, user) for queue in request.queues.all())


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
        NotAReviewer: they issued the asking key, or wrote these bytes: nobody approves alone what is their own.
    """
    if not may_break_glass(request, user):
        raise Forbidden("Breaking the glass needs the right of that name, over the agent's team.")
    if user.pk == request.asked_by_key_of_id:
        raise NotAReviewer("You issued the key that asked; someone else must decide.")
    if request.revisions.filter(number=request.revision, author=user).exists():
        raise NotAReviewer(f"You wrote revision {request.revision}; someone else must approve it.")
