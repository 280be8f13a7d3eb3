"""The lists of runs and failures, and their pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from controlplane.console import formats
from controlplane.console.admins import ConsoleAdmin, Empty, page_of
from controlplane.console.lists import ByAgent, ByTeam, Since, Tab, agent_column, state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.runs.comparing import Compare
from controlplane.console.runs.dialogs import OpenPayload
from controlplane.console.runs.failure_dialogs import DIALOGS
from controlplane.console.runs.failure_page import FailurePage, read_failure, sparks
from controlplane.console.runs.filters import ByFailure, ByModel
from controlplane.console.runs.page import RunPage, read_run
from controlplane.console.runs.reading import name_of
from controlplane.console.runs.sums import sums_of
from controlplane.console.tags import draw_money, make_visible
from registry.models import User
from runs.models import Failure, Run
from runs.states import FailureState

Rows = QuerySet[Any]
_LONGEST_NUMBER = 8
_INGEST = """curl -X POST "$CONTROL_PLANE/api/v1/runs" -H "Authorization: Bearer $AGENT_KEY" \\
  -H "Content-Type: application/json" -d @run.json"""


def _all(rows: Rows, user: User, now: datetime) -> Rows:
    return rows


def _failed(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.failed()  # type: ignore[attr-defined,no-any-return]


def _open_runs(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.open()  # type: ignore[attr-defined,no-any-return]


class WhichRuns(Tab):
    """Which runs."""

    tabs = (("all", "All", _all), ("failed", "Failed", _failed), ("open", "Running or waiting", _open_runs))


class TeamThen(ByTeam):
    """The team that the agent had then."""

    column = "team"


class SinceStarted(Since):
    """When it started."""

    column = "started_at"


class RunPages(ConsoleAdmin):
    """Runs."""

    related = ("agent__team", "agent__owner", "version__agent", "failure")
    page_template = "console/runs/run.html"
    dialogs = {"step": OpenPayload, "compare": Compare}
    empty = Empty("No runs yet.", "Agents report what they did with their key:", _INGEST)
    list_display = (
        "name", "standing", "of_agent", "of_version", "trigger_source", "started", "lasted", "tokens", "cost", "error",
    )  # fmt: skip
    list_filter = (
        WhichRuns, "status", ByAgent, TeamThen, SinceStarted, ByModel, ByFailure, "environment", "source",
    )  # fmt: skip
    search_fields = ("event_id", "external_id", "task", "error_type", "error_message", "agent__slug")
    search_help_text = "Search task, id, error, agent"
    ordering = ("-started_at", "-id")

    of_agent = agent_column()
    standing = state_column("run", "status")
    started = time_column("started_at")

    @admin.display(description="run", ordering="task")
    def name(self, row: Run) -> SafeString:
        """Name the run."""
        return format_html(
            '{} <span class="cp-note">{}</span>', make_visible(name_of(row)), formats.short_id(str(row.pk))
        )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Sum model calls and waiting of the shown runs in two queries."""
        cl = super().get_changelist_instance(request)
        found = sums_of([row.pk for row in cl.result_list])
        for row in cl.result_list:
            row.sums = found[row.pk]
        return cl

    @admin.display(description="version")
    def of_version(self, row: Run) -> SafeString | str:
        """Link to the version that ran."""
        return format_html('<a href="{}">v{}</a>', page_of(row.version), row.version.number) if row.version else "–"

    @admin.display(description="lasted (waiting)")
    def lasted(self, row: Any) -> str:
        """Write how long it took, and how long of that it waited for people."""
        lasted = formats.duration(row.duration) if row.duration is not None else "–"
        return f"{lasted} ({formats.duration(row.sums.waited)})" if row.sums.waited is not None else lasted

    @admin.display(description="tokens")
    def tokens(self, row: Any) -> str:
        """Write the tokens of its model calls."""
        return formats.count(row.sums.tokens) if row.sums.calls else "–"

    @admin.display(description="cost")
    def cost(self, row: Any) -> SafeString | str:
        """Write what its model calls cost."""
        return draw_money(row.sums.nanousd, row.sums.unpriced) if row.sums.calls else "–"

    @admin.display(description="error", ordering="error_type")
    def error(self, row: Run) -> SafeString:
        """Write what went wrong, the agent's own words."""
        return make_visible(row.error_type or row.error_message[:80])

    def page(self, request: HttpRequest, row: Run) -> RunPage:
        """Read the run page."""
        start = request.GET.get("from", "")
        first = int(start) if start.isdecimal() and len(start) < _LONGEST_NUMBER else None
        folded = request.GET.get("fold") == "1"
        return read_run(row, user=viewer(request), now=timezone.now(), start_at=first, folded=folded)


def _triage(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.filter(state__in=(FailureState.NEW, FailureState.REGRESSED)).unmuted(now)  # type: ignore[attr-defined,no-any-return]


def _open(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.open().unmuted(now)  # type: ignore[attr-defined,no-any-return]


def _muted(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.muted(now)  # type: ignore[attr-defined,no-any-return]


def _resolved(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.filter(state=FailureState.RESOLVED)


class WhichFailures(Tab):
    """Which failures."""

    tabs = (
        ("triage", "Triage", _triage), ("open", "Open", _open), ("muted", "Muted", _muted),
        ("resolved", "Resolved", _resolved), ("all", "All", _all),
    )  # fmt: skip


class SinceSeen(Since):
    """When it was seen last."""

    column = "last_seen"


class FailurePages(ConsoleAdmin):
    """Failures: what broke in the same way, counted once."""

    related = ("agent__team", "agent__owner", "first_version__agent", "resolved_in", "assigned_to")
    dialogs = DIALOGS
    page_template = "console/runs/failure.html"
    empty = Empty("No open failures.", "Failing runs and steps are grouped here by what went wrong.")
    list_display = ("what", "standing", "days", "of_agent", "count", "first_version", "last", "assigned_to")
    list_filter = (WhichFailures, ByAgent, SinceSeen)
    search_fields = ("error_type", "message", "step_name", "agent__slug")
    ordering = ("-last_seen", "-id")

    of_agent = agent_column()
    standing = state_column("failure")
    last = time_column("last_seen", "last seen")

    @admin.display(description="failure", ordering="error_type")
    def what(self, row: Failure) -> SafeString:
        """Write what went wrong, the agent's own words."""
        return format_html(
            '{} <span class="cp-note">{}</span>', make_visible(str(row)), make_visible(row.message[:120])
        )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Count the last days of the shown failures in two queries."""
        cl = super().get_changelist_instance(request)
        drawn = sparks((row.pk for row in cl.result_list), now=timezone.now())
        for row in cl.result_list:
            row.spark = drawn[row.pk]
        return cl

    @admin.display(description="14 days")
    def days(self, row: Any) -> SafeString:
        """Draw the last days small."""
        return render_to_string("console/registry/spark.html", {"spark": row.spark})

    def page(self, request: HttpRequest, row: Failure) -> FailurePage:
        """Read the failure page."""
        return read_failure(row, user=viewer(request), now=timezone.now())
