"""The failure page: what broke, since when, whose is it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import TruncDate

from controlplane.console import charts, formats
from controlplane.console.admins import Button, list_of, page_of
from controlplane.console.clocks import present_zone
from controlplane.console.registry.hours import Spark, spark
from controlplane.console.runs.reading import RunLine, name_of
from registry.models import Release, User
from registry.permissions import operates, owns
from runs.models import Failure, Run, Step
from runs.states import FailureState

DAYS: Final = 14
_MOST: Final = 10
_RUNS: Final = 5


@dataclass(frozen=True, slots=True)
class Share:
    """How often it happened in one version or step."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A release in the days that are drawn."""

    number: int
    url: str
    environment: str
    at: datetime
    is_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePage:
    """Everything that the page shows.

    Attributes:
        began: since when, and how long after which release, in words.
        by_version, by_step: of the occurrences of the last days.
        message: the agent's own words, untrusted.
    """

    heading: str
    state: str
    muted: str
    message: str
    step: str
    agent: str
    agent_url: str
    count: int
    first_seen: datetime
    last_seen: datetime
    began: str
    first_url: str
    resolved: str
    assignee: str
    chart: charts.Bars
    marks: tuple[Mark, ...]
    by_version: tuple[Share, ...]
    by_step: tuple[Share, ...]
    runs: tuple[RunLine, ...]
    runs_url: str
    buttons: tuple[Button, ...]
    agent_buttons: tuple[Button, ...]


def read_failure(failure: Failure, *, user: User, now: datetime) -> FailurePage:
    """Read the page; agent, team, first version and assignee are joined.

    Args:
        failure: visible to the person.
        user: who looks.
        now: aware UTC.
    """
    agent = failure.agent
    here = operates(user, agent.team)
    handles = here or owns(user, agent)
    since = now - timedelta(days=DAYS)
    days = daily([failure.pk], now=now)[failure.pk]
    points = [(f"{day:%d %b}", number, str(number), "") for day, number in days]
    steps = Step.objects.filter(failure=failure, started_at__gte=since).order_by()
    runs = _whole_runs().filter(failure=failure, started_at__gte=since)
    versions: Counter[str] = Counter()
    for rows, column in ((steps, "run__version__number"), (runs, "version__number")):
        for number, times in rows.values_list(column).annotate(n=Count("pk")):
            versions[f"v{number}" if number else "version unknown"] += times
    names: Counter[str] = Counter(dict(steps.values_list("name").annotate(n=Count("pk"))))
    whole = runs.count()
    if whole:
        names["the run as a whole"] += whole
    recent = Run.objects.visible_to(user).filter(
        Q(failure=failure) | Q(pk__in=Step.objects.filter(failure=failure).values("run"))
    )
    return FailurePage(
        heading=str(failure),
        state=failure.state,
        muted=_muted(failure, now),
        message=failure.message,
        step=failure.step_name or "the run as a whole",
        agent=agent.slug,
        agent_url=page_of(agent),
        count=failure.count,
        first_seen=failure.first_seen,
        last_seen=failure.last_seen,
        began=_began(failure),
        first_url=page_of(failure.first_version) if failure.first_version else "",
        resolved=f"in v{failure.resolved_in.number}" if failure.resolved_in else "",
        assignee=failure.assigned_to.username if failure.assigned_to else "nobody",
        chart=charts.bars(f"Occurrences, {DAYS} days", points, top=str(max((n for _, n in days), default=0))),
        marks=_marks(failure, since),
        by_version=tuple(Share(name, times) for name, times in versions.most_common(_MOST)),
        by_step=tuple(Share(name, times) for name, times in names.most_common(_MOST)),
        runs=tuple(
            RunLine(name_of(row), page_of(row), row.status, row.started_at, row.duration)
            for row in recent.order_by("-started_at", "-id")[:_RUNS]
        ),
        runs_url=list_of(Run, f"failure={failure.pk}"),
        buttons=_buttons(failure, "" if handles else _AWAY, now),
        agent_buttons=(
            Button(f"Pause {agent.slug}…", page_of(agent, "pause"), "danger", "" if handles else _AWAY),
            Button("Roll back…", page_of(agent, "roll-back"), "", "" if here else _AWAY),
        ),
    )


_AWAY: Final = "Operators of the agent's team, its owner and administrators do this."


def daily(failures: Iterable[UUID], *, now: datetime) -> dict[UUID, list[tuple[date, int]]]:
    """Count occurrences by failure and UTC day, in two queries whatever the number of failures."""
    wanted = list(failures)
    first = (now - timedelta(days=DAYS - 1)).date()
    found: Counter[tuple[UUID, date]] = Counter()
    sources: tuple[QuerySet[Any], ...] = (Step.objects.order_by(), _whole_runs())
    for source in sources:
        rows = source.filter(failure__in=wanted, started_at__date__gte=first)
        for failure, day, times in (
            rows.annotate(day=TruncDate("started_at")).values_list("failure", "day").annotate(n=Count("pk"))
        ):
            found[failure, day] += times
    days = [first + timedelta(days=step) for step in range(DAYS)]
    return {failure: [(day, found[failure, day]) for day in days] for failure in wanted}


def _whole_runs() -> QuerySet[Run]:
    """Keep runs that no step of their own explains; those that one explains were counted with it."""
    explained = Step.objects.filter(run=OuterRef("pk"), failure=OuterRef("failure"))
    return Run.objects.filter(~Exists(explained)).order_by()


def sparks(failures: Iterable[UUID], *, now: datetime) -> dict[UUID, Spark]:
    """Draw each failure's last days small, for lists."""
    return {
        failure: spark(f"Occurrences, {DAYS} days", [(f"{day:%d %b}", number) for day, number in days])
        for failure, days in daily(failures, now=now).items()
    }


def _muted(failure: Failure, now: datetime) -> str:
    if not failure.is_muted(now):
        return ""
    parts = []
    if failure.muted_until:
        parts.append(f"until {formats.clock(failure.muted_until, now=now, zone=present_zone())}")
    if failure.muted_until_count:
        parts.append(f"until {failure.muted_until_count} occurrences")
    return " and ".join(parts)


def _began(failure: Failure) -> str:
    version = failure.first_version
    if version is None:
        return "It is not known in which version it began."
    rows = Release.objects.filter(version=version, released_at__lte=failure.first_seen).order_by("-released_at")
    release = rows.first()
    if release is None:
        return f"Began with v{version.number}."
    minutes = int((failure.first_seen - release.released_at).total_seconds() // 60)
    span = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
    return f"Began with v{version.number}, {span} after its release in {release.environment}."


def _marks(failure: Failure, since: datetime) -> tuple[Mark, ...]:
    rows = Release.objects.filter(agent=failure.agent, released_at__gte=since).select_related("version")
    return tuple(
        Mark(
            row.version.number, page_of(row.version), row.environment, row.released_at,
            row.version_id == failure.first_version_id,
        )
        for row in rows.defer("version__definition").order_by("released_at")[:_MOST]
    )  # fmt: skip


def _buttons(failure: Failure, away: str, now: datetime) -> tuple[Button, ...]:
    assign = Button("Assign…", page_of(failure, "assign"), "", away)
    if failure.state == FailureState.RESOLVED:
        return (Button("Reopen…", page_of(failure, "reopen"), "main", away), assign)
    mute = Button("Mute…", page_of(failure, "mute"), "", away)
    if failure.is_muted(now):
        mute = Button("Unmute…", page_of(failure, "unmute"), "", away)
    return (Button("Resolve…", page_of(failure, "resolve"), "main", away), mute, assign)
