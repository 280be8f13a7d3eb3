"""The sidebar, by role."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from approvals.models import ApprovalRequest, Grant, Queue
from audit.models import Entry
from controlplane.console import counting
from controlplane.console.admins import list_of
from controlplane.console.frame import MOST_COUNTED, read_frame
from costs.models import Budget, ModelPrice, Usage
from policies.models import Decision, Revision
from registry.models import Agent, AgentKey, AgentVersion, Command, KillSwitch, Release, Team, User, Verb
from registry.states import Role
from runs.models import Failure, Run

_HOMES = frozenset({"/", "/home/"})
_READERS = frozenset({Role.ADMIN, Role.OPERATOR, Role.OWNER, Role.AUDITOR})
_ALL = frozenset(Role.values)
_ADMIN = frozenset({Role.ADMIN})

# Titles render as markup: constants only.
_GROUPS: tuple[tuple[str, tuple[tuple[str, str, type[Model] | None, frozenset[str]], ...]], ...] = (
    ("Now", (("Home", "home", None, _ALL), ("Approvals", "how_to_reg", ApprovalRequest, _ALL))),
    (
        "Observe",
        (
            ("Agents", "smart_toy", Agent, _READERS),
            ("Runs", "play_circle", Run, _READERS),
            ("Failures", "error", Failure, _READERS),
            ("Commands", "send", Command, _READERS),
        ),
    ),
    (
        "Govern",
        (
            ("Policies", "policy", Revision, _READERS),
            ("Decisions", "gavel", Decision, _READERS),
            ("Grants", "verified", Grant, _READERS),
            ("Queues", "inbox", Queue, _ALL),
            ("Verbs", "list_alt", Verb, _ALL),
            ("Versions", "layers", AgentVersion, _READERS),
            ("Releases", "rocket_launch", Release, _READERS),
            ("Keys", "key", AgentKey, _READERS),
            ("Kill switches", "emergency_home", KillSwitch, _READERS),
        ),
    ),
    (
        "Money",
        (
            ("Costs and budgets", "payments", Budget, _READERS),
            ("Prices", "sell", ModelPrice, _READERS),
            ("Model calls", "receipt_long", Usage, _READERS),
        ),
    ),
    (
        "Trust",
        (("Audit", "history", Entry, _READERS), ("Teams", "groups", Team, _ALL), ("People", "person", User, _ADMIN)),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of links that the person's role has."""
    user = request.user
    if not isinstance(user, User):
        return []
    frame = read_frame(request)
    badges: dict[type[Model], int] = {ApprovalRequest: frame.waiting, Failure: frame.failures}
    return [
        {
            "title": title,
            "items": [
                _item(name, icon, model, badges.get(model, 0) if model else 0, request.path)
                for name, icon, model, roles in items
                if user.role in roles
            ],
        }
        for title, items in _GROUPS
    ]


def _item(name: str, icon: str, model: type[Model] | None, badge: int, path: str) -> dict[str, Any]:
    # Home alone has two addresses: it is where most people land.
    item: dict[str, Any] = (
        {"title": name, "icon": icon, "link": list_of(model)}
        if model
        else {"title": name, "icon": icon, "link": reverse("admin:home"), "active": path in _HOMES}
    )
    if badge:
        item |= {"badge": counting.written(badge, MOST_COUNTED), "badge_variant": "primary"}
    return item
