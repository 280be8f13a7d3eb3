"""Who may handle failures, and who may read what steps took in and gave out."""

from __future__ import annotations

from registry import permissions
from registry.models import Team, User
from registry.states import Role
from runs.models import Failure, Run


def may_handle_failure(user: User, failure: Failure) -> None:
    """Let pass operators of the agent's team and its owner.

    Raises:
        Missing: not theirs to see.
        Forbidden: visible, but not theirs to handle.
    """
    permissions.may_see_agent(user, failure.agent)
    operated = Team.objects.operated_by(user).filter(slug=failure.team).exists()
    permissions.require(
        operated or failure.agent.owner_id == user.pk, "Operators of the team and the owner handle failures."
    )


def may_read_payload(user: User, run: Run) -> bool:
    """Whether the person belongs to the owner's side of the run's team."""
    if not user.is_active:
        return False
    in_team = user.role == Role.OWNER and user.teams.filter(slug=run.team).exists()
    return in_team or run.agent.owner_id == user.pk
