"""Ending teams that nothing belongs to any more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError, QuerySet

from audit.actors import Acting
from audit.refusals import Conflict
from audit.transitions import note
from registry import permissions
from registry.models import Team, TeamGroupRight, TeamUserRight, User
from registry.operations.rights import hold_teams

_OWN = (TeamUserRight, TeamGroupRight, Team.members.through)


@transaction.atomic
def delete_team(*, team: Team, by: Acting, now: datetime) -> None:
    """Delete a team that nothing refers to; its memberships and the rights over it die with it.

    What refers to it is found through the database's own relations, so that rooms above are asked too.

    Args:
        team: a team without agents, queues, budgets or kill switches.
        by: an administrator.
        now: aware UTC.

    Raises:
        Forbidden: `by` does not manage teams.
        Conflict: something belongs to it; the sentence says what.
    """
    permissions.may_manage_people(by)
    hold_teams()
    held = holders(team)
    if held:
        raise Conflict(f"{team.slug} is not empty: {', '.join(held)} belong to it.")
    members = sorted(team.members.values_list("username", flat=True))
    note(team, kind="team.deleted", by=by, now=now, details={"name": team.name, "members": members})
    TeamUserRight.objects.filter(content_object=team).delete()
    TeamGroupRight.objects.filter(content_object=team).delete()
    team.members.clear()
    # simple-history writes its last row when the team goes.
    team._history_user = by if isinstance(by, User) else None  # type: ignore[attr-defined]
    team._history_date = now  # type: ignore[attr-defined]
    try:
        team.delete()
    except ProtectedError as error:
        raise Conflict(f"{team.slug} is not empty any more.") from error


def holders(team: Team) -> list[str]:
    """Name the kinds of rows that refer to a team, apart from its own members and rights."""
    found = []
    for relation in Team._meta.get_fields(include_hidden=True):
        if not relation.auto_created or relation.concrete or not (relation.one_to_many or relation.one_to_one):
            continue
        model: Any = relation.related_model
        if model in _OWN or not model._meta.managed:
            continue
        field: Any = relation.field  # type: ignore[union-attr]  # a reverse relation has one
        # History keeps its rows: it points without a constraint.
        if field.db_constraint and QuerySet(model).filter(**{field.name: team}).exists():
            found.append(_plural(model))
    return sorted(set(found))


def _plural(model: Any) -> str:
    # Rows of a many-to-many table are spoken of as what they belong to.
    owner = model._meta.auto_created or model
    return str(owner._meta.verbose_name_plural)
