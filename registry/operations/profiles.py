"""People as administrators see them: created with a one-time password, changed as a whole."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from audit.actors import Acting
from audit.refusals import Conflict, Invalid, Problem
from audit.transitions import note
from registry import permissions
from registry.models import Team, User
from registry.operations.people import change_password, create_user, set_role
from registry.operations.rights import hold_teams, sync_person

_LONGEST_NAME: Final = 150
_BYTES: Final = 15


@transaction.atomic
def create_person(
    *,
    username: str,
    role: str,
    teams: Collection[Team],
    by: Acting,
    now: datetime,
    first_name: str = "",
    last_name: str = "",
    email: str = "",
) -> tuple[User, str]:
    """Create a person with a one-time password.

    Args:
        username: letters, digits and ``@.+-_``; unique.
        role: of `registry.states.Role`.
        teams: the teams to join.
        by: an administrator.
        now: aware UTC.
        first_name: given name, may be empty.
        last_name: family name, may be empty.
        email: address, may be empty.

    Returns:
        The person, and the password, which is kept nowhere and must be changed at the first log-in.

    Raises:
        Forbidden: `by` does not manage people.
        Conflict: the name is taken.
        Invalid: a value is not admitted, with pointers.
    """
    permissions.may_manage_people(by)
    problems = _problems(first_name, last_name, email)
    if problems:
        raise Invalid("The person cannot be created.", errors=problems)
    password = secrets.token_urlsafe(_BYTES)
    user = create_user(
        username=username, role=role, password=password, by=by, now=now, teams=list(teams), one_time=True
    )
    user.first_name, user.last_name, user.email = first_name, last_name, email
    user.save(update_fields=["first_name", "last_name", "email"])
    return user, password


@transaction.atomic
def edit_person(
    *,
    user: User,
    first_name: str,
    last_name: str,
    email: str,
    role: str,
    teams: Collection[Team],
    by: Acting,
    now: datetime,
) -> bool:
    """Change a person's name, address, role and teams; their rights follow.

    Args:
        user: the person.
        first_name: given name, may be empty.
        last_name: family name, may be empty.
        email: address, may be empty.
        role: of `registry.states.Role`.
        teams: every team that they belong to from now on.
        by: an administrator.
        now: aware UTC.

    Returns:
        Whether anything changed.

    Raises:
        Forbidden: `by` does not manage people.
        Invalid: a value is not admitted, with pointers.
        Conflict: nobody would be left to administrate, or they lead a team that they would leave.
    """
    permissions.may_manage_people(by)
    problems = _problems(first_name, last_name, email)
    if problems:
        raise Invalid("The person cannot be changed.", errors=problems)
    changed = set_role(user=user, role=role, by=by, now=now)
    changed |= _set_teams(user, teams, by=by, now=now)
    facts = {"first_name": first_name, "last_name": last_name, "email": email}
    old = {name: getattr(user, name) for name in facts}
    if old == facts:
        return changed
    for name, value in facts.items():
        setattr(user, name, value)
    user.save(update_fields=list(facts))
    # Which of them, not what they hold: the trail cannot forget a name or an address.
    details = {"fields": sorted(name for name in facts if old[name] != facts[name])}
    note(user, kind="person.changed", by=by, now=now, details=details)
    return True


@transaction.atomic
def reset_password(*, user: User, by: Acting, now: datetime) -> str:
    """Give somebody else a one-time password.

    Returns:
        The password, which is kept nowhere and must be changed at the next log-in.

    Raises:
        Forbidden: `by` does not manage people.
        Conflict: it is one's own, which is changed and not reset.
    """
    permissions.may_manage_people(by)
    if permissions.person(by) == user:
        raise Conflict("Change your own password instead; a reset is for other people.")
    password = secrets.token_urlsafe(_BYTES)
    change_password(user=user, password=password, by=by, now=now)
    return password


def _set_teams(user: User, teams: Collection[Team], *, by: Acting, now: datetime) -> bool:
    hold_teams()
    old = {team.pk: team for team in Team.objects.filter(members=user)}
    new = {team.pk: team for team in teams}
    left = [team for pk, team in old.items() if pk not in new]
    joined = [team for pk, team in new.items() if pk not in old]
    for team in left:
        if team.lead_id == user.pk:
            raise Conflict(f"{user.username} leads {team.slug}; name another lead first.")
    if not left and not joined:
        return False
    for team in left:
        team.members.remove(user)
    for team in joined:
        team.members.add(user)
    sync_person(user)
    details = {"joined": sorted(team.slug for team in joined), "left": sorted(team.slug for team in left)}
    note(user, kind="person.teams_changed", by=by, now=now, details=details)
    return True


def _problems(first_name: str, last_name: str, email: str) -> list[Problem]:
    problems = [
        Problem(f"/{field}", "too_long", f"A name has at most {_LONGEST_NAME} characters.")
        for field, value in (("first_name", first_name), ("last_name", last_name))
        if len(value) > _LONGEST_NAME
    ]
    if email:
        try:
            validate_email(email)
        except ValidationError as error:
            problems.append(Problem("/email", "not_admitted", error.messages[0]))
    return problems
