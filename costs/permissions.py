"""Who may do what with budgets and prices (`semantics 12`): silently, or by a refusal."""

from __future__ import annotations

from audit.actors import Acting
from audit.refusals import Forbidden, Missing
from costs.models import Budget
from registry.models import Agent, Team, User
from registry.permissions import may_see_agent, may_see_team, operates, owns, person, require
from registry.rights import Right
from registry.states import Role

PRICE = Right("costs", "price")


def may_see_budget(by: Acting, budget: Budget) -> None:
    """Let pass whoever sees the budget: operators of its team, the agent's owner, administrators, auditors.

    Raises:
        Missing: the budget is not theirs to see.
    """
    user = person(by)
    if user is not None and not Budget.objects.visible_to(user).filter(pk=budget.pk).exists():
        raise Missing


def may_draft_budget(by: Acting, *, team: Team | None, agent: Agent | None) -> None:
    """Let pass whoever may write a budget that is not in force.

    That is an operator of the team, the owner of the agent, or an administrator; for the
    organisation an administrator.

    Args:
        by: who.
        team: the team that the budget bounds, None for another scope.
        agent: the agent that it bounds, None for another scope.
    """
    if agent is not None:
        may_see_agent(by, agent)
        require(
            operates(by, agent.team) or owns(by, agent),
            "Only operators of the agent's team, its owner and administrators may draft its budget.",
        )
    elif team is not None:
        may_see_team(by, team)
        require(operates(by, team), "Only operators of the team and administrators may draft its budget.")
    else:
        _administers(by, "Only administrators may draft a budget of the organisation.")


def may_publish_budget(by: Acting, *, team: Team | None, agent: Agent | None) -> None:
    """Let pass whoever may put a budget into force, change it while it is, or end it.

    That is a person with ``publish_team`` on the team of every agent it bounds, or an
    administrator; for the organisation an administrator.

    Args:
        by: who.
        team: the team that the budget bounds, None for another scope.
        agent: the agent that it bounds, None for another scope.
    """
    if agent is not None:
        may_see_agent(by, agent)
    elif team is not None:
        may_see_team(by, team)
    else:
        _administers(by, "Only administrators may set a budget of the organisation.")
        return
    user = person(by)
    answering = agent.team if agent else team
    allowed = user is None or (
        answering is not None and Team.objects.published_by(user).filter(pk=answering.pk).exists()
    )
    require(allowed, "Setting a budget needs the right to publish over every agent that it bounds.")


def may_rerate(by: Acting) -> None:
    """Let pass whoever may price models and usage again: administrators, and operators with the right ``price``."""
    user = person(by)
    require(
        user is None or user.role == Role.ADMIN or (user.role == Role.OPERATOR and has_price(user)),
        "Only administrators, and operators with the right to price, may price usage.",
    )


def has_price(user: User) -> bool:
    """Whether a person holds the right to price; being a superuser is not it."""
    return user.is_active and PRICE.held_by(user)


def _administers(by: Acting, detail: str) -> None:
    user = person(by)
    if user is not None and user.role != Role.ADMIN:
        raise Forbidden(detail)
