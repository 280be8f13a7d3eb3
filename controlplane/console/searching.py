"""The search field of the sidebar: names and ids, of what the person may see."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from approvals.models import ApprovalRequest
from controlplane.console.admins import page_of
from policies.models import Decision
from registry.models import Agent, Team, User
from registry.states import Role
from runs.models import Run

MOST: Final = 8
_LONGEST: Final = 200
_ID: Final = re.compile(r"[0-9a-fA-F-]{32,36}\Z")


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing found."""

    title: str
    kind: str
    url: str


def find(term: str, *, user: User) -> tuple[Hit, ...]:
    """Find by name, or one object by its whole id.

    Args:
        term: what was typed.
        user: who looks; nothing that they may not see is found.
    """
    term = term.strip()[:_LONGEST]
    if not term:
        return ()
    if _ID.match(term):
        return tuple(_by_id(term, user))
    hits: list[Hit] = []
    if user.role != Role.REVIEWER:
        agents = Agent.objects.visible_to(user).filter(Q(slug__icontains=term) | Q(name__icontains=term))
        hits += [Hit(row.name, "agent", page_of(row)) for row in agents[:MOST]]
    teams = Team.objects.visible_to(user).filter(Q(slug__icontains=term) | Q(name__icontains=term))
    hits += [Hit(row.name, "team", page_of(row)) for row in teams[:MOST]]
    held = ApprovalRequest.objects.visible_to(user).open().filter(decision__verb__icontains=term)
    hits += [Hit(str(row), "approval", page_of(row)) for row in held.select_related("agent", "decision")[:MOST]]
    return tuple(hits)


def _by_id(term: str, user: User) -> list[Hit]:
    try:
        wanted = UUID(term)
    except ValueError:
        return []
    kinds: tuple[tuple[str, QuerySet[Any]], ...] = (
        ("approval", ApprovalRequest.objects.visible_to(user).select_related("agent", "decision")),
    )
    if user.role != Role.REVIEWER:
        kinds += (("decision", Decision.objects.visible_to(user)), ("run", Run.objects.visible_to(user)))
    return [Hit(str(row), kind, page_of(row)) for kind, rows in kinds for row in rows.filter(pk=wanted)]
