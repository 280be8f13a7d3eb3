"""Who may draft, discard and publish policies."""

from __future__ import annotations

from django.db.models import QuerySet

from policies.language import Policy, PolicySet
from policies.models import Revision
from registry import permissions as registry_permissions
from registry.models import Agent, User
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


def may_publish_change(by: User, before: PolicySet, after: PolicySet) -> None:
    """Let pass whoever may publish over every agent that a changed policy matches, or matched.

    Raises:
        Forbidden: an agent is out of their reach.
    """
    old, new = before.policies, after.policies
    changed = [slug for slug in {*old, *new} if old.get(slug) != new.get(slug)]
    touched = [policy for slug in changed for policy in (old.get(slug), new.get(slug)) if policy]
    reach = Agent.objects.none()
    for policy in touched:
        reach |= matched_agents(policy)
    registry_permissions.may_publish(by, reach.distinct())


def matched_agents(policy: Policy) -> QuerySet[Agent]:
    """Return every agent that a policy can match, as far as its scope says; tags are compared here."""
    scope = policy.applies_to
    agents = Agent.objects.all()
    if scope.agents:
        agents = agents.filter(slug__in=scope.agents)
    if scope.teams:
        agents = agents.filter(team__slug__in=scope.teams)
    if scope.tags:
        # JSON containment is not portable; the registry is small.
        tagged = [pk for pk, tags in Agent.objects.values_list("pk", "tags") if set(tags) & set(scope.tags)]
        agents = agents.filter(pk__in=tagged)
    return agents
