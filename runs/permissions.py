"""Who may do what with runs and failures (`semantics 12` and `14`).

`Missing` where the person may not even see the object, `Forbidden` where they see it but may
not do this.
"""

from __future__ import annotations

from audit.actors import Acting
from audit.refusals import Missing
from registry.models import Agent, Team, User
from registry.permissions import may_see_agent, operates, owns, person, require
from registry.states import Role
from runs.models import Failure, Run


def may_read_payload(user: User, run: Run) -> bool:
    """Say whether a person reads what went in and out of the run's steps as a matter of course.

    That is the agent's owner, as long as they belong to the team that the run belongs to: the
    run keeps the team of its time, so a transfer opens no old payloads to new people.
    Operators see runs without payloads, auditors see digests; administrators break the glass.
    """
    return (
        user.is_active and run.agent.owner_id == user.pk and Team.objects.filter(slug=run.team, members=user).exists()
    )


def may_break_glass(user: User) -> bool:
    """Say whether a person may read any payload, giving a reason that is recorded."""
    return user.is_active and user.role == Role.ADMIN


def may_see_run(user: User, run: Run) -> None:
    """Let pass whoever sees the run.

    Raises:
        Missing: it is not theirs to see.
    """
    if not Run.objects.visible_to(user).filter(pk=run.pk).exists():
        raise Missing


def may_handle_failure(by: Acting, failure: Failure) -> None:
    """Let pass whoever may resolve, reopen, mute and assign: operators of the team, the owner, administrators.

    Raises:
        Missing: the failure is not theirs to see.
        Forbidden: they see it and may not change it.
    """
    may_see_agent(by, failure.agent)
    require(
        operates(by, failure.agent.team) or owns(by, failure.agent),
        "Only operators of the agent's team, its owner and administrators may do this.",
    )


def may_be_assigned(user: User, failure: Failure) -> bool:
    """Say whether a failure can be given to a person: they must see it."""
    return user.is_active and Agent.objects.visible_to(user).filter(pk=failure.agent_id).exists()


def may_import(by: Acting, agent: Agent) -> None:
    """Let pass whoever may import runs of an agent: operators of its team, administrators, the installation."""
    may_see_agent(by, agent)
    user = person(by)
    require(
        user is None or operates(by, agent.team),
        "Only operators of the agent's team and administrators may import its runs.",
    )
