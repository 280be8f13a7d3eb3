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
from controlplane.delivery.models import Channel, Delivery, Endpoint
from costs.models import Budget, ModelPrice, Usage
from policies.models import Decision, Firing, Replay, Revision, Trigger
from registry.models import Agent, AgentKey, AgentVersion, Command, KillSwitch, Release, Team, User, Verb
from registry.states import Role
from runs.models import Failure, Run

# Pages without a model: name of the address, and the paths under which they are shown.
_PLAIN = {
    # Home alone has two addresses: it is where most people land.
    "Home": ("admin:home", frozenset({"/", "/home/"})),
    "Live": ("admin:live", frozenset({"/live/"})),
    "Reviewers": ("admin:reviewers", frozenset({"/reviewers/"})),
    "Settings": ("admin:settings", frozenset({"/settings/"})),
}
_READERS = frozenset({Role.ADMIN, Role.OPERATOR, Role.OWNER, Role.AUDITOR})
_ALL = frozenset(Role.values)
_ADMIN = frozenset({Role.ADMIN})
_CONNECTED = frozenset({Role.ADMIN, Role.OPERATOR})
_MEASURES = frozenset({Role.ADMIN, Role.OPERATOR, Role.AUDITOR})

# Titles render as markup: constants only.
_GROUPS: tuple[tuple[str, tuple[tuple[str, str, type[Model] | None, frozenset[str]], ...]], ...] = (
    (
        "Now",
        (
            ("Home", "home", None, _ALL),
            ("Approvals", "how_to_reg", ApprovalRequest, _ALL),
            ("Live", "bolt", None, _ALL),
        ),
    ),
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
            ("Replays", "replay", Replay, _READERS),
            ("Triggers", "notifications_active", Trigger, _READERS),
            ("Firings", "bolt", Firing, _READERS),
            ("Decisions", "gavel", Decision, _READERS),
            ("Grants", "verified", Grant, _READERS),
            ("Queues", "inbox", Queue, _ALL),
            ("Reviewers", "speed", None, _MEASURES),
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
        (
            ("Audit", "history", Entry, _READERS),
            ("Webhooks", "webhook", Endpoint, _CONNECTED),
            ("Deliveries", "outgoing_mail", Delivery, _CONNECTED),
            ("Notifications", "notifications", Channel, _ALL),
            ("Teams", "groups", Team, _ALL),
            ("People", "person", User, _ADMIN),
            ("Settings", "settings", None, _ADMIN),
        ),
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
    item: dict[str, Any] = {"title": name, "icon": icon}
    if model:
        item |= {"link": list_of(model)}
    else:
        address, paths = _PLAIN[name]
        item |= {"link": reverse(address), "active": path in paths}
    if badge:
        item |= {"badge": counting.written(badge, MOST_COUNTED), "badge_variant": "primary"}
    return item
