"""The organisation's identity provider: who its people are here, decided anew at each log-in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import transaction

from audit.actors import Acting, System
from audit.refusals import Conflict, Forbidden, Missing
from audit.transitions import note
from controlplane.accounts.directory import role_of, teams_of
from registry import permissions
from registry.models import Team, User
from registry.operations import create_user, end_sessions, hold_teams, save_team, set_role
from registry.states import Role

PROVIDER = "sso"
BY = System("identity_provider")
_LONGEST_USERNAME = 150


class NotAdmitted(Forbidden):
    """The identity provider knows the person, and nothing there lets them in here."""

    code, title = "not_admitted", "You are not admitted here"


@dataclass(frozen=True, slots=True)
class Provider:
    """What the settings say of the provider.

    Attributes:
        name: on the button.
        groups_claim: the claim that holds the groups.
        roles: pairs of role and group; the first match counts.
        teams: pairs of team and group.
    """

    name: str
    groups_claim: str
    roles: Sequence[tuple[str, str]]
    teams: Sequence[tuple[str, str]]


def settings_of() -> Provider | None:
    """Return the provider, or None where the installation has none."""
    environment = settings.ENVIRONMENT
    if not settings.OIDC_ISSUER:
        return None
    return Provider(environment.oidc_name, environment.oidc_groups_claim, settings.OIDC_ROLES, settings.OIDC_TEAMS)


@transaction.atomic
def admit(*, subject: str, username: str, groups: frozenset[str], now: datetime) -> tuple[SocialAccount, str]:
    """Return the account of a person whom the provider vouches for, with role and teams as its groups say.

    A new person is created. Somebody else's name is never taken over: they log in and connect first.

    Args:
        subject: the provider's stable id of the person.
        username: what the provider calls them.
        groups: theirs at the provider.
        now: aware UTC.

    Returns:
        The account and why the person is refused; empty if they are not. A refusal keeps what it
        changed: the role is gone even though nobody comes in.

    Raises:
        NotAdmitted: nobody here, and no group lets them in, or the name is taken or not admitted.
    """
    facts = settings_of()
    if facts is None:
        raise Missing
    role = role_of(groups, facts.roles)
    account = SocialAccount.objects.select_related("user").filter(provider=PROVIDER, uid=subject).first()
    if account is None:
        if role is None:
            raise NotAdmitted("None of your groups gives you a role here.")
        user = _create(username, role, now=now)
        account = SocialAccount.objects.create(user=user, provider=PROVIDER, uid=subject, extra_data={})
        note(user, kind="person.account_linked", by=BY, now=now, details={"provider": PROVIDER})
    user = account.user
    if not user.is_active:
        note(user, kind="person.log_in_refused", by=BY, now=now, details={"reason": "inactive"})
        return account, "Your account is not active."
    if role is None:
        _take_everything(user, facts, now=now)
        return account, "None of your groups gives you a role here."
    set_role(user=user, role=role, by=BY, now=now)
    _set_teams(user, teams_of(groups, facts.teams), facts, now=now)
    # The operations changed other instances of the row.
    user.refresh_from_db()
    return account, ""


@transaction.atomic
def link(*, user: User, subject: str, by: Acting, now: datetime) -> None:
    """Connect the provider's account with a person who is logged in.

    Raises:
        Forbidden: not one's own account.
        Conflict: it belongs to somebody else.
    """
    _own(by, user)
    account = SocialAccount.objects.filter(provider=PROVIDER, uid=subject).first()
    if account is not None:
        if account.user_id != user.pk:
            raise Conflict("That account is connected with somebody else here.")
        return
    SocialAccount.objects.create(user=user, provider=PROVIDER, uid=subject, extra_data={})
    note(user, kind="person.account_linked", by=by, now=now, details={"provider": PROVIDER})


@transaction.atomic
def unlink(*, user: User, account_id: int, by: Acting, now: datetime) -> None:
    """Forget the provider's account of a person who has a password.

    Raises:
        Forbidden: not one's own account.
        Missing: the person has no such account.
        Conflict: nothing would be left to log in with.
    """
    _own(by, user)
    account = SocialAccount.objects.filter(user=user, pk=account_id).first()
    if account is None:
        raise Missing
    if not (user.has_usable_password() and settings.PASSWORD_LOGIN):
        raise Conflict("You have no password here; nothing would be left to log in with.")
    account.delete()
    note(user, kind="person.account_unlinked", by=by, now=now, details={"provider": PROVIDER})


def _create(username: str, role: str, *, now: datetime) -> User:
    if User.objects.filter(username=username).exists():
        raise NotAdmitted(
            f"There is a person named {username} here already. If that is you, log in and connect the account."
        )
    if not username or len(username) > _LONGEST_USERNAME:
        raise NotAdmitted("The identity provider gives no usable user name.")
    return create_user(username=username, role=role, password=None, by=BY, now=now)


def _take_everything(user: User, facts: Provider, *, now: datetime) -> None:
    """Leave the least role and no mapped team; the last administrator keeps the role, and is refused too."""
    try:
        set_role(user=user, role=Role.REVIEWER, by=BY, now=now)
    except Conflict:
        note(user, kind="person.role_kept", by=BY, now=now, details={"reason": "last_administrator"})
    _set_teams(user, frozenset(), facts, now=now)
    end_sessions(user=user, by=BY, now=now, reason="no_group")
    note(user, kind="person.log_in_refused", by=BY, now=now, details={"reason": "no_group"})


def _set_teams(user: User, wanted: frozenset[str], facts: Provider, *, now: datetime) -> None:
    """Join and leave the teams that are mapped; the others are none of the provider's business."""
    hold_teams()
    mapped = {team for team, _ in facts.teams}
    for team in Team.objects.filter(slug__in=mapped).select_related("lead"):
        members = set(team.members.all())
        after = members | {user} if team.slug in wanted else members - {user}
        if after != members:
            lead = team.lead if team.lead in after else None
            save_team(slug=team.slug, name=team.name, lead=lead, members=after, by=BY, now=now)


def _own(by: Acting, user: User) -> None:
    acting = permissions.person(by)
    permissions.require(acting is not None and acting.pk == user.pk, "Only the person themselves may do this.")


def claims_differ(claims: Sequence[dict[str, Any]]) -> bool:
    """Say whether id token and userinfo speak of different people (OpenID Connect Core 1.0, 5.3.2)."""
    return len({str(source.get("sub")) for source in claims}) != 1
