"""Teams: who belongs to them, and the rights that follow."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.actors import Acting
from audit.refusals import Conflict, Invalid, Problem
from audit.transitions import note
from registry import permissions
from registry.history import save_configured
from registry.models import Team, User
from registry.models.people import SLUG
from registry.operations.rights import PUBLISH, grant, hold_teams, sync_team, withdraw

_LONGEST_NAME = 120


@transaction.atomic
def save_team(
    *,
    slug: str,
    name: str,
    lead: User | None,
    members: Collection[User],
    by: Acting,
    now: datetime,
    fresh: bool = False,
) -> bool:
    """Create a team or change it; its people's rights follow.

    Members see the team; members who are operators operate it.

    Args:
        slug: lower-case letters, digits, hyphens; stays for ever.
        name: for people.
        lead: the member who answers for the team.
        members: everybody who belongs to it.
        by: an administrator, unless nothing would change.
        now: aware UTC.
        fresh: whether it must not exist yet.

    Returns:
        Whether anything changed.

    Raises:
        Conflict: it exists, and must not.
        Invalid: slug or name is not admitted, the lead is no member, a new member is not active.
        Missing: the team is not theirs to see.
        Forbidden: `by` does not manage teams.
    """
    hold_teams()
    team = Team.objects.filter(slug=slug).first()
    if fresh:
        permissions.may_manage_people(by)
        if team is not None:
            raise Conflict(f"There is a team named {slug} already.")
    old = team_facts(team) if team else None
    new = {"name": name, "lead": lead.username if lead else None, "members": sorted(u.username for u in members)}
    if team is not None:
        permissions.may_see_team(by, team)
        if old == new:
            return False
    permissions.may_manage_people(by)
    problems = _problems(slug, name, lead, members, known=team)
    if problems:
        raise Invalid("The team cannot be saved.", errors=problems)
    team = team or Team(slug=slug)
    team.name, team.lead = name, lead
    save_configured(team, by=by, now=now)
    team.members.set(members)
    sync_team(team)
    kind = "team.created" if old is None else "team.changed"
    note(team, kind=kind, by=by, now=now, details={"before": old, "after": new})
    return True


@transaction.atomic
def grant_publish(*, team: Team, user: User, by: Acting, now: datetime) -> bool:
    """Let a member publish policies and raise budgets over the team's agents.

    Returns:
        Whether anything changed.

    Raises:
        Forbidden: `by` does not manage people.
        Conflict: the person does not operate the team.
    """
    permissions.may_manage_people(by)
    if not Team.objects.operated_by(user).filter(pk=team.pk).exists():
        raise Conflict(f"{user.username} does not operate {team.slug}.")
    if not grant(user, team, PUBLISH):
        return False
    note(team, kind="team.publish_granted", by=by, now=now, details={"person": user.username})
    return True


@transaction.atomic
def withdraw_publish(*, team: Team, user: User, by: Acting, now: datetime) -> bool:
    """Take back the right to publish.

    Returns:
        Whether anything changed.

    Raises:
        Forbidden: `by` does not manage people.
    """
    permissions.may_manage_people(by)
    if not withdraw(user, team, PUBLISH):
        return False
    note(team, kind="team.publish_withdrawn", by=by, now=now, details={"person": user.username})
    return True


def team_facts(team: Team) -> dict[str, Any]:
    """Return a team in normal form: what `save_team` compares, and exports write."""
    return {
        "name": team.name,
        "lead": team.lead.username if team.lead else None,
        "members": sorted(team.members.values_list("username", flat=True)),
    }


def _problems(
    slug: str, name: str, lead: User | None, members: Collection[User], *, known: Team | None
) -> list[Problem]:
    problems = []
    if known is None:
        try:
            SLUG(slug)
        except ValidationError:
            detail = "A team's slug has lower-case letters, digits and hyphens, at most 64."
            problems.append(Problem("/slug", "invalid_name", detail))
    if not name.strip() or len(name) > _LONGEST_NAME:
        problems.append(Problem("/name", "invalid_name", f"A team's name has 1 to {_LONGEST_NAME} characters."))
    if lead is not None and lead not in members:
        problems.append(Problem("/lead", "not_a_member", f"The lead {lead.username} must be one of the members."))
    # Members who were deactivated may stay: they have no rights.
    present = set(known.members.values_list("pk", flat=True)) if known else set()
    problems.extend(
        Problem("/members", "inactive_person", f"{user.username} is not active.")
        for user in members
        if not user.is_active and user.pk not in present
    )
    return problems
