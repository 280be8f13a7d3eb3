"""The palette: pages, actions, names, ids and digests, of what the person may see.

Nothing is remembered between two searches: a hit that outlives a revoked right would be a leak.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib.admin import AdminSite
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from approvals.models import ApprovalRequest, Grant
from audit.models import Entry
from controlplane.console.admins import page_of, pages_of
from controlplane.console.frame import read_frame
from controlplane.console.navigation import navigation
from controlplane.console.people import viewer
from policies.models import Decision
from registry.models import Agent, AgentVersion, Team, User
from registry.states import Role
from runs.models import Failure, Run, Step

MOST: Final = 8
_LONGEST: Final = 200
_ID: Final = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\Z")
_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})\Z")


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing found."""

    title: str
    kind: str
    url: str


@dataclass(frozen=True, slots=True)
class Group:
    """What was found of one kind."""

    kind: str
    hits: tuple[Hit, ...]


def find(term: str, *, request: HttpRequest, site: AdminSite) -> tuple[Group, ...]:
    """Find pages, actions and objects by name, or objects by a whole id or digest.

    Args:
        term: what was typed; nothing shows the pages.
        request: whose person looks; nothing that they may not see is found.
        site: whose pages and buttons are offered.
    """
    user = viewer(request)
    term = term.strip().replace("\0", "")[:_LONGEST]
    digest = _DIGEST.match(term)
    if digest:
        hits = list(_by_digest(digest[1].lower(), user))
    elif _ID.match(term):
        hits = list(_by_id(UUID(term), user))
    else:
        words = term.lower()
        hits = [hit for hit in _places(request, site) if words in hit.title.lower()]
        if term:
            hits += _by_name(term, user)
    kinds = dict.fromkeys(hit.kind for hit in hits)
    most = MOST if term else len(hits)
    return tuple(Group(kind, tuple(hit for hit in hits if hit.kind == kind)[:most]) for kind in kinds)


def _places(request: HttpRequest, site: AdminSite) -> Iterator[Hit]:
    for group in navigation(request):
        for item in group["items"]:
            yield Hit(item["title"], "page", item["link"])
    for pages in pages_of(site).values():
        if pages.has_module_permission(request):
            for button in pages.list_buttons(request):
                if not button.obstacle:
                    yield Hit(button.label, "action", button.url)
    pause_url = read_frame(request).pause_url
    if pause_url:
        yield Hit("Pause everything…", "action", pause_url)
    yield Hit("Keyboard shortcuts…", "action", reverse("admin:shortcuts"))
    yield Hit("Your clock and quiet hours…", "action", reverse("admin:clock"))
    yield Hit("Your delegate…", "action", reverse("admin:delegate"))
    yield Hit("Change your password…", "action", reverse("admin:password_change"))


def _by_name(term: str, user: User) -> list[Hit]:
    named = Q(slug__icontains=term) | Q(name__icontains=term)
    hits: list[Hit] = []
    if user.role != Role.REVIEWER:
        hits += _hits("agent", Agent.objects.visible_to(user).filter(named))
    hits += _hits("team", Team.objects.visible_to(user).filter(named))
    if user.role == Role.ADMIN:
        hits += _hits("person", User.objects.filter(username__icontains=term).order_by("username"))
    held = ApprovalRequest.objects.visible_to(user).open().filter(decision__verb__icontains=term)
    hits += _hits("approval", held.select_related("agent", "decision"))
    if user.role != Role.REVIEWER:
        # Runs are many: their own name is looked up, not looked for.
        hits += _hits("run", Run.objects.visible_to(user).filter(Q(external_id=term) | Q(event_id=term)))
        groups = Failure.objects.visible_to(user).open().filter(
            Q(error_type__icontains=term) | Q(message__icontains=term)
        )  # fmt: skip
        hits += _hits("failure", groups.select_related("agent"))
    return hits


def _by_id(wanted: UUID, user: User) -> Iterator[Hit]:
    yield from _hits("approval", _requests(user).filter(pk=wanted))
    if user.role == Role.REVIEWER:
        return
    yield from _hits("decision", Decision.objects.visible_to(user).filter(pk=wanted))
    of_step = Step.objects.filter(pk=wanted).values("run")
    yield from _hits("run", Run.objects.visible_to(user).filter(Q(pk=wanted) | Q(pk__in=of_step)))
    yield from _hits("failure", Failure.objects.visible_to(user).filter(pk=wanted).select_related("agent"))
    yield from _hits("grant", Grant.objects.visible_to(user).filter(pk=wanted).select_related("agent", "decision"))
    if user.sees_everything:
        yield from _hits("entry of the trail", Entry.objects.filter(pk=wanted))


def _by_digest(digest: str, user: User) -> Iterator[Hit]:
    yield from _hits("approval", _requests(user).filter(revisions__digest=digest).distinct())
    if user.role == Role.REVIEWER:
        return
    yield from _hits("decision", Decision.objects.visible_to(user).filter(digest=digest))
    yield from _hits("grant", Grant.objects.visible_to(user).filter(digest=digest).select_related("agent", "decision"))
    versions = AgentVersion.objects.visible_to(user).filter(checksum=digest)
    yield from _hits("version", versions.select_related("agent").defer("definition"))


def _requests(user: User) -> QuerySet[ApprovalRequest]:
    return ApprovalRequest.objects.visible_to(user).select_related("agent", "decision")


def _hits(kind: str, rows: QuerySet[Any]) -> list[Hit]:
    return [Hit(_title(row), kind, page_of(row)) for row in rows[:MOST]]


def _title(row: Model) -> str:
    return f"{row.name} ({row.slug})" if isinstance(row, Agent | Team) else str(row)
