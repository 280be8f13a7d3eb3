"""Reviewers: how long they take, how often they only glance, what was called wrong, who carries how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils import timezone

from approvals.measures import may_see_measures, queues_measured, reviewers_measured
from controlplane.console import formats
from controlplane.console.admins import page_of
from controlplane.console.people import viewer
from registry.models import User

SPANS: Final = (7, 30, 90)
PER_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class PersonLine:
    """One person's figures, as they are written."""

    name: str
    decided: int
    rejected: int
    mean: str
    glances: str
    overridden: str
    waiting: int


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One queue's figures, as they are written.

    Attributes:
        full: whether it holds as much as it may.
    """

    name: str
    url: str
    waiting: str
    full: bool
    decided: int
    expired: int
    escalated: int
    mean: str


@dataclass(frozen=True, slots=True)
class Span:
    """A period to look at."""

    name: str
    url: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class ReviewersPage:
    """Everything that the page shows.

    Attributes:
        days: of the period.
        term: what is searched for, or empty.
        following: address of the next page of people, or empty.
        first: address of their first page, where this is not it; else empty.
    """

    days: int
    spans: tuple[Span, ...]
    term: str
    people: tuple[PersonLine, ...]
    queues: tuple[QueueLine, ...]
    following: str
    first: str


def read_reviewers(user: User, *, asked: Mapping[str, str], now: datetime) -> ReviewersPage:
    """Read the page.

    Args:
        user: may see measures.
        asked: ``days`` of `SPANS`, ``q`` a part of a name, ``after`` the name after which the page begins.
        now: aware UTC.
    """
    days = next((each for each in SPANS if str(each) == asked.get("days")), 30)
    term, after = asked.get("q", "").replace("\0", "")[:64].strip(), asked.get("after", "").replace("\0", "")[:150]
    bounds: dict[str, Any] = {"for_user": user, "since": now - timedelta(days=days), "until": now, "now": now}
    rows = reviewers_measured(**bounds).order_by("username")
    if term:
        rows = rows.filter(username__icontains=term)
    if after:
        rows = rows.filter(username__gt=after)
    found = list(rows[: PER_PAGE + 1])
    kept = {"days": days, **({"q": term} if term else {})}
    last = found[PER_PAGE - 1].username if len(found) > PER_PAGE else ""
    return ReviewersPage(
        days,
        tuple(Span(f"{each} days", f"?{urlencode({**kept, 'days': each})}", each == days) for each in SPANS),
        term,
        tuple(_person(row) for row in found[:PER_PAGE]),
        tuple(_queue(row) for row in queues_measured(**bounds).order_by("-waiting", "slug")[:PER_PAGE]),
        f"?{urlencode({**kept, 'after': last})}" if last else "",
        f"?{urlencode(kept)}" if after else "",
    )


def show_reviewers(request: HttpRequest, frame: Mapping[str, Any]) -> HttpResponse:
    """Show the page.

    Args:
        request: of whoever may see it.
        frame: what stands around every page.

    Raises:
        PermissionDenied: of anybody else.
    """
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(("GET", "HEAD"))
    user = viewer(request)
    if not may_see_measures(user):
        raise PermissionDenied
    page = read_reviewers(user, asked=request.GET.dict(), now=timezone.now())
    context = {**frame, "title": "Reviewers", "page": page}
    return TemplateResponse(request, "console/approvals/reviewers.html", context)


def _person(row: Any) -> PersonLine:
    return PersonLine(
        row.username, row.decided, row.rejected, _mean(row.mean_ms), _share(row.glances, row.timed),
        _share(row.overridden, row.decided), row.waiting,
    )  # fmt: skip


def _queue(row: Any) -> QueueLine:
    waiting = f"{row.waiting} of {row.capacity}" if row.capacity else str(row.waiting)
    full = bool(row.capacity) and row.waiting >= row.capacity
    return QueueLine(row.slug, page_of(row), waiting, full, row.decided, row.expired, row.escalated, _mean(row.mean_ms))


def _mean(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else formats.duration(timedelta(milliseconds=milliseconds))


def _share(part: int, whole: int) -> str:
    return formats.rate(part, whole) if whole else "–"
