"""Who may do what in the registry (`semantics 12`): every function returns silently or raises a refusal.

`Missing` where the person may not even see the object, `Forbidden` where they see it but may
not do this. The installation itself (`audit.actors.System`) may do everything: only its own
tasks and commands can name it. An agent's key has none of these rights. Being a superuser
changes nothing: role and object permissions on teams decide.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from audit.actors import Acting, System
from audit.refusals import Forbidden, Missing
from registry.models import Agent, KillSwitch, Team, TeamGroupRight, TeamUserRight, User
from registry.states import KillScope, Role

Row = TypeVar("Row", bound=Model)


def person(by: Acting) -> User | None:
    """Return the person who acts, or None where the installation itself does.

    Raises:
        Forbidden: an agent's key, or a person who was deactivated.
    """
    if isinstance(by, System):
        return None
    if isinstance(by, User) and by.is_active:
        return by
    raise Forbidden("Only an active person may do this.")


def require(allowed: bool, detail: str = "") -> None:
    """Raise `Forbidden` unless something is allowed.

    Args:
        allowed: whether it is.
        detail: one sentence that says who may.
    """
    if not allowed:
        raise Forbidden(detail)


def may_see_agent(by: Acting, agent: Agent) -> None:
    """Let pass whoever sees the agent: its owner, operators of its team, administrators, auditors.

    Raises:
        Missing: the agent is not theirs to see.
    """
    user = person(by)
    if user is not None and not Agent.objects.visible_to(user).filter(pk=agent.pk).exists():
        raise Missing


def may_see_team(by: Acting, team: Team) -> None:
    """Let pass whoever sees the team: its members, administrators, auditors.

    Raises:
        Missing: the team is not theirs to see.
    """
    user = person(by)
    if user is not None and not Team.objects.visible_to(user).filter(pk=team.pk).exists():
        raise Missing


def may_operate_team(by: Acting, team: Team) -> None:
    """Let pass operators of the team and administrators."""
    may_see_team(by, team)
    require(operates(by, team), "Only operators of the team and administrators may do this.")


def may_register(by: Acting, team: Team) -> None:
    """Let pass whoever may register an agent in the team."""
    may_operate_team(by, team)


def may_operate(by: Acting, agent: Agent) -> None:
    """Let pass whoever may resume, stop, command or kill the agent: operators of its team, administrators."""
    may_see_agent(by, agent)
    require(operates(by, agent.team), "Only operators of the agent's team and administrators may do this.")


def may_pause(by: Acting, agent: Agent) -> None:
    """Let pass operators of the agent's team, its owner, administrators."""
    may_see_agent(by, agent)
    require(
        operates(by, agent.team) or owns(by, agent),
        "Only operators of the agent's team, its owner and administrators may pause it.",
    )


def may_configure(by: Acting, agent: Agent) -> None:
    """Let pass whoever may change capabilities, scopes, tags, enforcement and drafts of versions."""
    may_operate(by, agent)


def may_release(by: Acting, agent: Agent) -> None:
    """Let pass whoever may promote and roll back: operators of the agent's team, administrators."""
    may_operate(by, agent)


def may_issue_keys(by: Acting, agent: Agent) -> None:
    """Let pass whoever may issue and revoke keys: operators of the agent's team, its owner, administrators."""
    may_see_agent(by, agent)
    require(
        operates(by, agent.team) or owns(by, agent),
        "Only operators of the agent's team, its owner and administrators may do this with its keys.",
    )


def may_transfer(by: Acting, agent: Agent, to: Team) -> None:
    """Let pass administrators, and operators of both the present and the new team."""
    may_see_agent(by, agent)
    require(
        operates(by, agent.team) and operates(by, to),
        "Only operators of both teams and administrators may transfer an agent.",
    )


def may_propose_transfer(by: Acting, agent: Agent) -> None:
    """Let pass operators of the agent's team, its owner, administrators: a proposal changes nothing yet."""
    may_see_agent(by, agent)
    require(
        operates(by, agent.team) or owns(by, agent),
        "Only operators of the agent's team, its owner and administrators may propose a transfer.",
    )


def may_publish(by: Acting, agents: QuerySet[Agent]) -> None:
    """Let pass whoever may publish what governs the given agents.

    That is an administrator, or a person with ``publish_team`` on the team of every one of
    them; and on at least one team where there is none yet.

    Args:
        by: who wants to publish.
        agents: every agent that the policy or budget can match.
    """
    user = person(by)
    if user is None or user.role == Role.ADMIN:
        return
    teams = Team.objects.published_by(user)
    foreign = agents.exclude(team__in=teams.values("pk"))
    require(
        teams.exists() and not foreign.exists(),
        "Publishing needs the right to publish over every agent that is matched, or would be with other tags.",
    )


def may_change_verbs(by: Acting) -> None:
    """Let pass administrators, and operators of every team: the catalogue binds all agents."""
    user = person(by)
    if user is None:
        return
    operated = Team.objects.operated_by(user)
    everywhere = operated.exists() and not Team.objects.exclude(pk__in=operated.values("pk")).exists()
    require(
        user.role == Role.ADMIN or everywhere,
        "Only administrators and operators of every team may change the verb catalogue.",
    )


def may_manage_people(by: Acting) -> None:
    """Let pass administrators: people, roles, teams, memberships."""
    user = person(by)
    require(user is None or user.role == Role.ADMIN, "Only administrators may manage people and teams.")


def may_change_password(by: Acting, of: User) -> None:
    """Let pass the person themselves, and administrators."""
    user = person(by)
    require(
        user is None or user.role == Role.ADMIN or user.pk == of.pk,
        "Only the person themselves and administrators may change a password.",
    )


def may_kill(by: Acting, scope: str, value: str) -> None:
    """Let pass administrators, and operators of everything that the scope stops.

    Args:
        by: who throws or lifts the switch.
        scope: of `registry.states.KillScope`.
        value: slug of the agent or team, or the tag.

    Raises:
        Missing: no such agent or team, or not theirs to see.
        Forbidden: they do not operate all of it.
    """
    user = person(by)
    if scope == KillScope.AGENT:
        may_operate(by, found(Agent.objects.filter(slug=value)))
    elif scope == KillScope.TEAM:
        may_operate_team(by, found(Team.objects.filter(slug=value)))
    elif user is not None and user.role != Role.ADMIN:
        require(
            scope == KillScope.TAG and _operates_tag(user, value),
            "Only administrators and operators of the whole scope may do this.",
        )


def may_lift(by: Acting, switch: KillSwitch) -> None:
    """Let pass whoever may have thrown the switch: an administrator or an operator of the whole scope."""
    may_kill(by, switch.scope, switch.value)


def may_take_out(by: Acting, agent: Agent, *, team: str, tags: Collection[str]) -> None:
    """Let pass a change by which an agent leaves no kill switch in force, or only those that are theirs to lift.

    Args:
        by: who changes the agent.
        agent: as it is, with its team.
        team: slug of its team after the change.
        tags: its tags after the change.

    Raises:
        Forbidden: naming the switch's scope.
    """
    left = Q(scope=KillScope.TAG, value__in=sorted(set(agent.tags) - set(tags)))
    if team != agent.team.slug:
        left |= Q(scope=KillScope.TEAM, value=agent.team.slug)
    for switch in KillSwitch.objects.in_force().filter(left).order_by("pk"):
        try:
            may_lift(by, switch)
        except (Forbidden, Missing) as error:
            raise Forbidden(
                f"The kill switch over the {switch.scope} {switch.value} is in force: only who may lift it may take "
                f"{agent.slug} out of its scope."
            ) from error


def operates(by: Acting, team: Team) -> bool:
    """Say whether somebody operates a team's agents."""
    user = person(by)
    return user is None or Team.objects.operated_by(user).filter(pk=team.pk).exists()


def operators_of(teams: QuerySet[Team]) -> dict[str, set[int]]:
    """Return the keys of everybody who operates each team, by its slug: what `TeamQuerySet.operated_by` says of one.

    In four queries, however many teams and people there are.
    """
    admins = set(User.objects.filter(role=Role.ADMIN, is_active=True).values_list("pk", flat=True))
    found = {slug: set(admins) for slug in teams.values_list("slug", flat=True)}
    right = {"permission__codename": "operate_team", "content_object__slug__in": list(found)}
    own = TeamUserRight.objects.filter(user__is_active=True, **right).values_list("content_object__slug", "user")
    groups = TeamGroupRight.objects.filter(group__user__is_active=True, **right)
    for slug, user in (*own, *groups.values_list("content_object__slug", "group__user")):
        found[slug].add(user)
    return found


def owns(by: Acting, agent: Agent) -> bool:
    """Say whether somebody is the agent's owner."""
    user = person(by)
    return user is not None and agent.owner_id == user.pk


def found(rows: QuerySet[Row]) -> Row:
    """Return the first row.

    Raises:
        Missing: there is none.
    """
    row = rows.first()
    if row is None:
        raise Missing
    return row


def _operates_tag(user: User, tag: str) -> bool:
    """Say whether a person operates every agent that carries a tag, and there is one."""
    teams = _teams_of_tag(tag)
    operated = set(Team.objects.operated_by(user).values_list("pk", flat=True))
    return bool(teams) and teams <= operated


def _teams_of_tag(tag: str) -> set[int]:
    # SQLite cannot ask a JSON list for an element; the agents of one organisation are few.
    rows: Collection[tuple[int, list[str]]] = Agent.objects.values_list("team_id", "tags")
    return {team_id for team_id, tags in rows if tag in tags}
