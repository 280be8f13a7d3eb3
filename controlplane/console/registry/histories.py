"""What was written about a configured thing, when and by whom, out of its history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from controlplane.console.admins import page_of
from registry.models import Agent, User, Verb
from registry.operations.reverting import REVERTED

MOST: Final = 10
_SHOWN: Final = ("name", "purpose", "owner", "team", "capabilities", "data_scopes", "tags", "enforcement")


@dataclass(frozen=True, slots=True)
class Edited:
    """One change.

    Attributes:
        changes: name of the field, before, after.
        revert_url: of the dialog that brings the words before it back; empty where there are none.
    """

    at: datetime
    by: str
    changes: tuple[tuple[str, str, str], ...]
    revert_url: str


def written(value: Any) -> str:
    """Write a field's value in one line."""
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "none"
    return str(value) if value not in {None, ""} else "nothing"


def agent_history(agent: Agent) -> tuple[Edited, ...]:
    """Return the latest changes of an agent's configuration, newest first."""
    rows = list(Agent.history.filter(id=agent.pk).order_by("-history_date", "-history_id")[: MOST + 1])
    names = _names(rows, ("owner_id", "history_user_id"))
    teams = {row.pk: row.slug for row in type(agent.team).objects.filter(pk__in={row.team_id for row in rows})}
    return tuple(
        Edited(
            new.history_date,
            names.get(new.history_user_id, "the installation"),
            tuple(
                (name.replace("_", " "), _value(old, name, names, teams), _value(new, name, names, teams))
                for name in _SHOWN
                if _raw(old, name) != _raw(new, name)
            ),
            f"{page_of(agent, 'revert')}?to={old.history_id}",
        )
        for new, old in pairwise(rows)
    )


def verb_history(verb: Verb) -> tuple[Edited, ...]:
    """Return the latest changes of a verb's entry, newest first."""
    rows = list(Verb.history.filter(id=verb.pk).order_by("-history_date", "-history_id")[: MOST + 1])
    names = _names(rows, ("history_user_id",))
    return tuple(
        Edited(
            new.history_date,
            names.get(new.history_user_id, "the installation"),
            tuple(
                (name, written(old.spec.get(name)), written(new.spec.get(name)))
                for name in sorted({*old.spec, *new.spec})
                if old.spec.get(name) != new.spec.get(name)
            ),
            f"{page_of(verb, 'revert')}?to={old.history_id}",
        )
        for new, old in pairwise(rows)
    )


def changed_since(agent: Agent, record: Any) -> tuple[tuple[str, str, str], ...]:
    """Return what going back to a record would change: field, value now, value then."""
    return tuple(
        (name.replace("_", " "), written(getattr(agent, name)), written(getattr(record, name)))
        for name in REVERTED
        if getattr(agent, name) != getattr(record, name)
    )


def _raw(row: Any, name: str) -> Any:
    return getattr(row, f"{name}_id" if name in {"owner", "team"} else name)


def _value(row: Any, name: str, people: dict[Any, str], teams: dict[Any, str]) -> str:
    if name == "owner":
        return people.get(row.owner_id, "somebody")
    if name == "team":
        return teams.get(row.team_id, "a team that is gone")
    return written(getattr(row, name))


def _names(rows: list[Any], fields: tuple[str, ...]) -> dict[Any, str]:
    wanted = {getattr(row, field) for row in rows for field in fields}
    return dict(User.objects.filter(pk__in=wanted - {None}).values_list("pk", "username"))
