"""Who may draft, discard and publish policies."""

from __future__ import annotations

from django.db.models import QuerySet

from policies.language import Policy, PolicySet
from policies.models import Firing, Replay, Revision
from registry import permissions as registry_permissions
from registry.models import Agent, Team, User
from registry.states import Role


def may_draft(user: User) -> None:
    """Let pass administrators, operators and owners.

    Raises:
        Forbidden: reviewers and auditors draft nothing.
    """
    registry_permissions.require(
        user.is_active and user.role in {Role.ADMIN, Role.OPERATOR, Role.OWNER},
        "Administrators, operators and owners draft policies.",
    )


def may_discard(user: User, revision: Revision) -> None:
    """Let pass the draft's author and administrators.

    Raises:
        Forbidden: anybody else.
    """
    registry_permissions.require(
        user.is_active and (user.role == Role.ADMIN or user.pk == revision.author_id),
        "Only its author and administrators discard a draft.",
    )


def may_edit_draft(user: User, revision: Revision) -> None:
    """Let pass the draft's author, while they may draft, and administrators.

    Raises:
        Forbidden: anybody else.
    """
    may_draft(user)
    registry_permissions.require(
        user.role == Role.ADMIN or user.pk == revision.author_id,
        "Only its author and administrators edit a draft; begin one of your own.",
    )


def may_cancel_replay(user: User, replay: Replay) -> None:
    """Let pass whoever asked for it, and administrators.

    Raises:
        Forbidden: anybody else.
    """
    registry_permissions.require(
        user.is_active and (user.role == Role.ADMIN or user.pk == replay.asked_by_id),
        "Only whoever asked for it and administrators cancel a replay.",
    )


def may_watch(user: User, *, agent: Agent | None, team: Team | None) -> None:
    """Let pass whoever may write, try and end a trigger over an agent, a team, or (neither) everyone.

    Raises:
        Missing: the agent or team is not theirs to see.
        Forbidden: they do not operate it; triggers over everyone are for administrators.
    """
    if agent is not None:
        registry_permissions.may_operate(user, agent)
    elif team is not None:
        registry_permissions.may_operate_team(user, team)
    else:
        registry_permissions.require(
            user.is_active and user.role == Role.ADMIN, "Only administrators watch everyone with a trigger."
        )


def may_rearm(user: User, firing: Firing) -> None:
    """Let pass operators of the team concerned, and administrators.

    Raises:
        Forbidden: anybody else.
    """
    operated = Team.objects.operated_by(user).filter(slug=firing.concerns).exists()
    registry_permissions.require(
        user.is_active and (user.role == Role.ADMIN or operated),
        "Only operators of the team concerned and administrators arm a trigger again.",
    )


def may_publish_change(by: User, before: PolicySet, after: PolicySet) -> None:
    """Let pass whoever may publish over every agent that a changed policy matches, matched, or would with other tags.

    Raises:
        Forbidden: an agent or a named team is out of their reach; a named agent is not registered; it may come to match
            any team's agents, and a team is out of their reach.
    """
    old, new = before.policies, after.policies
    changed = [slug for slug in {*old, *new} if old.get(slug) != new.get(slug)]
    touched = [policy for slug in changed for policy in (old.get(slug), new.get(slug)) if policy]
    reach = Agent.objects.none()
    for policy in touched:
        reach |= _named_agents(policy)
    registry_permissions.may_publish(by, reach.distinct())
    if by.role == Role.ADMIN:
        return
    # A team without agents, and a name that no agent has yet, match nobody now and somebody else's later. What names
    # neither teams nor agents does so too: any team's agents may get its tags, or be registered.
    scopes = [policy.applies_to for policy in touched]
    teams = {team for scope in scopes for team in scope.teams}
    agents = {agent for scope in scopes for agent in scope.agents}
    if any(not scope.teams and not scope.agents for scope in scopes):
        teams |= set(Team.objects.values_list("slug", flat=True))
    registry_permissions.require(
        teams <= set(Team.objects.published_by(by).values_list("slug", flat=True))
        and agents <= set(Agent.objects.filter(slug__in=agents).values_list("slug", flat=True)),
        "Publishing needs the right to publish over every team that is named, over every team where neither teams nor "
        "agents are, and agents that are registered.",
    )


def matched_agents(policy: Policy) -> QuerySet[Agent]:
    """Return every agent that a policy can match, as far as its scope says; tags are compared here."""
    scope, agents = policy.applies_to, _named_agents(policy)
    if scope.tags:
        # JSON containment is not portable; the registry is small.
        tagged = [pk for pk, tags in Agent.objects.values_list("pk", "tags") if set(tags) & set(scope.tags)]
        agents = agents.filter(pk__in=tagged)
    return agents


def _named_agents(policy: Policy) -> QuerySet[Agent]:
    """Return every agent of the scope whatever its tags: who operates it may give it others."""
    scope = policy.applies_to
    agents = Agent.objects.all()
    if scope.agents:
        agents = agents.filter(slug__in=scope.agents)
    if scope.teams:
        agents = agents.filter(team__slug__in=scope.teams)
    return agents
