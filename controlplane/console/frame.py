"""What stands around every page: counts, kill switches in force, the trail's lag. Read once for a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from approvals.models import ApprovalRequest
from audit.ids import floor_id
from audit.models import Entry, Seal
from controlplane.console import counting
from controlplane.console.admins import page_of
from registry.models import KillSwitch, Team, User
from registry.states import KillScope, Role
from runs.models import Failure
from runs.states import FailureState

MOST_COUNTED: Final = 100
LONGEST_LAG: Final = timedelta(seconds=30)
_MEMO: Final = "_console_frame"


@dataclass(frozen=True, slots=True)
class Stop:
    """A kill switch in force, as the banner says it."""

    text: str
    reason: str
    by: str
    since: datetime
    url: str
    resume_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every page shows around itself.

    Attributes:
        waiting: requests that this person may decide, up to `MOST_COUNTED`.
        failures: new and regressed failures that they see, up to the same bound.
        stops: kill switches in force over what they see.
        late: whether entries wait longer than `LONGEST_LAG` for their seal.
        pause_url: of the dialog that pauses everything; empty for whoever may not.
    """

    waiting: int = 0
    failures: int = 0
    stops: tuple[Stop, ...] = ()
    late: bool = False
    pause_url: str = ""


def read_frame(request: HttpRequest) -> Frame:
    """Read it, or return what this request read before: one query, and more only where something is wrong."""
    found: Frame | None = getattr(request, _MEMO, None)
    if found is None:
        user = request.user
        found = _read(user, now=timezone.now()) if isinstance(user, User) and user.is_active else Frame()
        setattr(request, _MEMO, found)
    return found


def _read(user: User, *, now: datetime) -> Frame:
    switches = switches_seen_by(user)
    waiting, failures, stopped, late = counting.count_up_to(
        (ApprovalRequest.objects.in_time(now).awaiting(user), _fresh_failures(user, now), switches, _unsealed(now)),
        MOST_COUNTED,
    )
    return Frame(
        waiting=waiting,
        failures=failures,
        stops=tuple(_stop(row) for row in switches.select_related("thrown_by")) if stopped else (),
        late=bool(late),
        pause_url=reverse("admin:pause_everything") if user.role == Role.ADMIN else "",
    )


def switches_seen_by(user: User) -> QuerySet[KillSwitch]:
    """Return the kill switches in force over what a person works with, newest first."""
    rows = KillSwitch.objects.in_force().order_by("-thrown_at", "-id")
    if user.sees_everything:
        return rows
    if user.role == Role.REVIEWER:
        return rows.filter(scope=KillScope.ALL)
    teams = Team.objects.visible_to(user).values("pk")
    return rows.filter(Q(team__in=teams) | Q(team=None))


def _stop(row: KillSwitch) -> Stop:
    whom = "Everything" if row.scope == KillScope.ALL else f"{row.scope.capitalize()} {row.value}"
    by = row.thrown_by.username
    return Stop(whom, row.reason[:160], by, row.thrown_at, page_of(row), page_of(row, "lift"))


def _fresh_failures(user: User, now: datetime) -> QuerySet[Failure]:
    if user.role == Role.REVIEWER:
        return Failure.objects.none()
    fresh = Failure.objects.visible_to(user).filter(state__in=(FailureState.NEW, FailureState.REGRESSED))
    return fresh.unmuted(now)


def _unsealed(now: datetime) -> QuerySet[Entry]:
    # Sealed in order: where the newest entry that had time to be sealed is sealed, so are those before it.
    newest = Entry.objects.filter(pk__lt=floor_id(now - LONGEST_LAG)).order_by("-pk").values("pk")[:1]
    return Entry.objects.filter(~Exists(Seal.objects.filter(entry_id=OuterRef("pk"))), pk__in=newest)


def title_count(request: HttpRequest) -> str:
    """Return what the tab's title begins with: how many wait for this person."""
    waiting = read_frame(request).waiting
    return f"({counting.written(waiting, MOST_COUNTED)})" if waiting else ""


def environment(request: HttpRequest) -> list[str] | None:
    """Return what the header calls this installation, and how unfold would colour it."""
    words = [settings.CONSOLE_LABEL, "debug mode" if settings.DEBUG else ""]
    name = ", ".join(word for word in words if word)
    return [name, "info"] if name else None


def add(context: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
    """Add the frame to what a page is rendered with."""
    frame = read_frame(request)
    return {**context, "frame": frame, "keys": getattr(request.user, "shortcuts", True), "events": _events(request)}


def _events(request: HttpRequest) -> str:
    """Return where the page listens: relative where a proxy leads there; empty for whoever would be refused."""
    if not isinstance(request.user, User) or request.user.must_change_password:
        return ""
    return "/events" if settings.LANE_URL == settings.PUBLIC_URL else f"{settings.LANE_URL}/events"
