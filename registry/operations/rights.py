"""Object permissions on teams, derived from role and membership.

Members see their team; members who are operators operate it. ``publish_team`` is granted by
hand, to members who are operators, and ends with either.
"""

from __future__ import annotations

from django.contrib.auth.models import Permission

from audit import sql
from registry.models import Team, TeamUserRight, User
from registry.states import Role

VIEW, OPERATE, PUBLISH = "view_team", "operate_team", "publish_team"
TEAMS_LOCK = "registry.teams"


def hold_teams() -> None:
    """Keep everybody else from changing who belongs to which team until the transaction ends.

    Taken after the lock of people, and before that of agents (`registry.operations.agents.hold_agents`), where both
    are.
    """
    sql.advisory_lock(TEAMS_LOCK)


def due(user: User) -> frozenset[str]:
    """Return the rights that follow from a person's role in each team they belong to."""
    if not user.is_active:
        return frozenset()
    return frozenset({VIEW, OPERATE}) if user.role == Role.OPERATOR else frozenset({VIEW})


def sync_person(user: User) -> None:
    """Bring a person's rights in all teams in line with role and membership."""
    own = Team.objects.filter(members=user)
    TeamUserRight.objects.filter(user=user).exclude(content_object__in=own).delete()
    for team in own:
        _sync(user, team, due(user))


def sync_team(team: Team) -> None:
    """Bring the rights of all people in a team in line with role and membership."""
    people = team.members.all()
    TeamUserRight.objects.filter(content_object=team).exclude(user__in=people).delete()
    for user in people:
        _sync(user, team, due(user))


def grant(user: User, team: Team, right: str) -> bool:
    """Give one right; say whether it was missing."""
    permission = Permission.objects.get(content_type__app_label="registry", codename=right)
    _, created = TeamUserRight.objects.get_or_create(user=user, content_object=team, permission=permission)
    return created


def withdraw(user: User, team: Team, right: str) -> bool:
    """Take one right; say whether it was there."""
    held = TeamUserRight.objects.filter(user=user, content_object=team, permission__codename=right)
    return held.delete()[0] > 0


def _sync(user: User, team: Team, rights: frozenset[str]) -> None:
    keep = rights | ({PUBLISH} if OPERATE in rights else frozenset())
    surplus = TeamUserRight.objects.filter(user=user, content_object=team)
    surplus.exclude(permission__codename__in=keep).delete()
    for right in sorted(rights):
        grant(user, team, right)
