"""People: the first administrator, accounts, roles, passwords."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from audit import sql
from audit.actors import Acting, System
from audit.refusals import Conflict, Invalid, Problem
from audit.transitions import note
from registry import permissions
from registry.models import Team, User
from registry.operations.rights import hold_teams, sync_person
from registry.states import Role

# Serialises what must not leave the installation without an administrator.
PEOPLE_LOCK = "registry.people"
_USERNAME = User._meta.get_field("username")


@transaction.atomic
def create_first_administrator(*, now: datetime) -> tuple[User, str] | None:
    """Create ``admin`` with a one-time password, where nobody exists yet.

    Args:
        now: aware UTC.

    Returns:
        The person and the password, which is kept nowhere; None if anybody exists.
    """
    sql.advisory_lock(PEOPLE_LOCK)
    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(15)
    by = System("first_start")
    user = _create("admin", Role.ADMIN, password, now=now, one_time=True)
    note(user, kind="person.created", by=by, now=now, details={"role": str(Role.ADMIN), "teams": []})
    return user, password


@transaction.atomic
def create_user(
    *,
    username: str,
    role: str,
    password: str | None,
    by: Acting,
    now: datetime,
    teams: Sequence[Team] = (),
    one_time: bool = False,
) -> User:
    """Create a person.

    Args:
        username: letters, digits and ``@.+-_``; unique.
        role: of `registry.states.Role`.
        password: held to Django's validators; None for a person who logs in elsewhere and has none here.
        by: an administrator, or the installation.
        now: aware UTC.
        teams: the teams to join.
        one_time: whether the person must choose another password first.

    Raises:
        Forbidden: `by` does not manage people.
        Conflict: the name is taken.
        Invalid: name, role or password is not admitted, with pointers.
    """
    permissions.may_manage_people(by)
    problems = [*_username_problems(username), *_role_problems(role)]
    if password is not None:
        problems += _password_problems(password, username)
    if problems:
        raise Invalid("The person cannot be created.", errors=problems)
    sql.advisory_lock(PEOPLE_LOCK)
    if teams:
        hold_teams()
    if User.objects.filter(username=username).exists():
        raise Conflict(f"There is a person named {username} already.")
    user = _create(username, role, password, now=now, one_time=one_time)
    for team in teams:
        team.members.add(user)
    sync_person(user)
    slugs = sorted(team.slug for team in teams)
    note(user, kind="person.created", by=by, now=now, details={"role": str(user.role), "teams": slugs})
    return user


@transaction.atomic
def set_role(*, user: User, role: str, by: Acting, now: datetime) -> bool:
    """Give a person another role and the rights in their teams that follow from it; their sessions end.

    Returns:
        Whether anything changed.

    Raises:
        Forbidden: `by` does not manage people.
        Invalid: no such role.
        Conflict: nobody would be left to administrate.
    """
    permissions.may_manage_people(by)
    problems = _role_problems(role)
    if problems:
        raise Invalid(problems[0].detail, errors=problems)
    sql.advisory_lock(PEOPLE_LOCK)
    user.refresh_from_db()
    old = user.role
    if old == role:
        return False
    # Their rights in every team follow: no team changes its members meanwhile.
    hold_teams()
    if role != Role.ADMIN:
        _keep_an_administrator(user)
    user.role = Role(role)
    user.is_superuser = role == Role.ADMIN
    user.session_epoch += 1
    user.save(update_fields=["role", "is_superuser", "session_epoch"])
    sync_person(user)
    note(user, kind="person.role_changed", by=by, now=now, details={"from": str(old), "to": str(role)})
    return True


@transaction.atomic
def deactivate(*, user: User, by: Acting, now: datetime) -> bool:
    """Shut a person out: sessions end, rights are taken; what they did stays.

    Returns:
        Whether anything changed.

    Raises:
        Forbidden: `by` does not manage people.
        Conflict: nobody would be left to administrate.
    """
    return _set_active(user, active=False, by=by, now=now)


@transaction.atomic
def reactivate(*, user: User, by: Acting, now: datetime) -> bool:
    """Let a person in again, with the rights of their role in their teams. No earlier session comes back.

    Returns:
        Whether anything changed.

    Raises:
        Forbidden: `by` does not manage people.
    """
    return _set_active(user, active=True, by=by, now=now)


@transaction.atomic
def change_password(*, user: User, password: str, by: Acting, now: datetime) -> None:
    """Set a password; one that another person set is one-time. All sessions end, for they are bound to it.

    Raises:
        Forbidden: neither one's own nor an administrator's doing.
        Invalid: the password is not admitted.
    """
    permissions.may_change_password(by, user)
    problems = _password_problems(password, user.username)
    own = permissions.person(by) == user
    if own and user.must_change_password and user.check_password(password):
        problems.append(Problem("/password", "same_password", "The one-time password must be replaced by another."))
    if problems:
        raise Invalid("The password is not admitted.", errors=problems)
    user.set_password(password)
    user.must_change_password = not own
    user.save(update_fields=["password", "must_change_password"])
    note(user, kind="person.password_changed", by=by, now=now, details={"one_time": not own})


@transaction.atomic
def end_sessions(*, user: User, by: Acting, now: datetime, reason: str = "") -> None:
    """End every session of a person, wherever it is open.

    Args:
        user: whose.
        by: the person themselves, an administrator, or the installation.
        now: aware UTC.
        reason: one word for the trail, where the installation does it.

    Raises:
        Forbidden: neither one's own nor an administrator's doing.
    """
    permissions.may_change_password(by, user)
    user.refresh_from_db()
    user.session_epoch += 1
    user.save(update_fields=["session_epoch"])
    note(user, kind="person.sessions_ended", by=by, now=now, details={"reason": reason} if reason else None)


def _create(username: str, role: str, password: str | None, *, now: datetime, one_time: bool) -> User:
    user = User(
        username=username,
        role=Role(role),
        is_staff=True,  # the console serves every role
        is_superuser=role == Role.ADMIN,
        must_change_password=one_time,
        date_joined=now,
    )
    user.set_password(password)
    user.save(force_insert=True)
    return user


def _set_active(user: User, *, active: bool, by: Acting, now: datetime) -> bool:
    permissions.may_manage_people(by)
    sql.advisory_lock(PEOPLE_LOCK)
    user.refresh_from_db()
    if user.is_active == active:
        return False
    # Their rights in every team follow: no team changes its members meanwhile.
    hold_teams()
    if not active:
        _keep_an_administrator(user)
    user.is_active = active
    user.session_epoch += not active
    user.save(update_fields=["is_active", "session_epoch"])
    sync_person(user)
    note(user, kind="person.reactivated" if active else "person.deactivated", by=by, now=now)
    return True


def _keep_an_administrator(leaving: User) -> None:
    """Refuse to lose the last active administrator; the lock is held."""
    others = User.objects.filter(role=Role.ADMIN, is_active=True).exclude(pk=leaving.pk)
    if leaving.role == Role.ADMIN and leaving.is_active and not others.exists():
        raise Conflict(f"{leaving.username} is the only active administrator.")


def _username_problems(username: str) -> list[Problem]:
    try:
        _USERNAME.clean(username, None)
    except ValidationError as error:
        return [Problem("/username", "not_admitted", message) for message in error.messages]
    return []


def _role_problems(role: str) -> list[Problem]:
    if role in Role.values:
        return []
    return [Problem("/role", "unknown_role", f"A role is one of {', '.join(Role.values)}.")]


def _password_problems(password: str, username: str) -> list[Problem]:
    try:
        validate_password(password, User(username=username))
    except ValidationError as error:
        return [Problem("/password", "weak_password", message) for message in error.messages]
    return []
