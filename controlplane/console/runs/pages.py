"""The lists of runs and failures, and their pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from controlplane.console import formats
from controlplane.console.admins import Button, ConsoleAdmin, Empty, Fact, Sheet, list_of, page_of
from controlplane.console.lists import ByAgent, ByTeam, Since, Tab, agent_column, state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.runs.dialogs import Mute, OpenPayload, Reopen, Resolve
from controlplane.console.runs.page import RunPage, read_run
from controlplane.console.runs.reading import name_of
from controlplane.console.tags import draw_state, draw_time
from registry.models import User
from runs.models import Failure, Run
from runs.states import FailureState

Rows = QuerySet[Any]
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
    dialogs = {"step": OpenPayload}
    empty = Empty("No runs yet.", "Agents report what they did with their key:", _INGEST)
    list_display = ("name", "standing", "of_agent", "trigger_source", "started", "lasted", "error")
    list_filter = (WhichRuns, "status", ByAgent, TeamThen, SinceStarted, "environment", "source")
    search_fields = ("event_id", "external_id", "task", "error_type", "error_message", "agent__slug")
    search_help_text = "Search task, id, error, agent"
    ordering = ("-started_at", "-id")

    of_agent = agent_column()
    standing = state_column("run", "status")
    started = time_column("started_at")

    @admin.display(description="run", ordering="task")
    def name(self, row: Run) -> SafeString:
        """Name the run."""
        return format_html('{} <span class="cp-note">{}</span>', name_of(row), formats.short_id(str(row.pk)))

    @admin.display(description="lasted")
    def lasted(self, row: Run) -> str:
        """Write how long it took."""
        return formats.duration(row.duration) if row.duration is not None else "–"

    @admin.display(description="error", ordering="error_type")
    def error(self, row: Run) -> str:
        """Write what went wrong, the agent's own words."""
        return row.error_type or row.error_message[:80]

    def page(self, request: HttpRequest, row: Run) -> RunPage:
        """Read the run page."""
        return read_run(row, user=viewer(request), now=timezone.now())


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

    related = ("agent__team", "agent__owner", "first_version__agent", "assigned_to")
    dialogs = {"resolve": Resolve, "reopen": Reopen, "mute": Mute}
    empty = Empty("No open failures.", "Failing runs and steps are grouped here by what went wrong.")
    list_display = ("what", "standing", "of_agent", "count", "first_version", "last", "assigned_to")
    list_filter = (WhichFailures, ByAgent, SinceSeen)
    search_fields = ("error_type", "message", "step_name", "agent__slug")
    ordering = ("-last_seen", "-id")

    of_agent = agent_column()
    standing = state_column("failure")
    last = time_column("last_seen", "last seen")

    @admin.display(description="failure", ordering="error_type")
    def what(self, row: Failure) -> SafeString:
        """Write what went wrong, the agent's own words."""
        return format_html('{} <span class="cp-note">{}</span>', str(row), row.message[:120])

    def page(self, request: HttpRequest, row: Failure) -> Sheet:
        """Show the failure and its newest runs."""
        runs = Run.objects.visible_to(viewer(request)).filter(failure=row)[:5]
        links = [
            format_html('<a href="{}">{}</a> {}', page_of(run), name_of(run), draw_time(run.started_at)) for run in runs
        ]
        muted = row.is_muted(timezone.now())
        return Sheet(
            str(row),
            (
                Fact("State", draw_state(row.state, "failure")),
                Fact("Muted", "yes" if muted else "no"),
                Fact("Message (the agent's words)", row.message or "none"),
                Fact("Step", row.step_name or "the run as a whole"),
                Fact("Agent", format_html('<a href="{}">{}</a>', page_of(row.agent), row.agent.slug)),
                Fact("Occurrences", formats.count(row.count)),
                Fact("First seen", draw_time(row.first_seen)),
                Fact("First version", row.first_version or "unknown"),
                Fact("Last seen", draw_time(row.last_seen)),
                Fact("Assigned to", row.assigned_to or "nobody"),
                Fact(
                    "Runs that failed as a whole",
                    format_html(" · ".join(["{}"] * len(links)), *links) if links else "none",
                ),
                Fact(
                    "All runs of the agent that failed",
                    format_html('<a href="{}">list</a>', list_of(Run, f"show=failed&agent={row.agent.slug}")),
                ),
            ),
            self._buttons(row),
        )

    def _buttons(self, row: Failure) -> tuple[Button, ...]:
        if row.state == FailureState.RESOLVED:
            return (Button("Reopen…", self.address(row, "reopen")),)
        return (
            Button("Resolve…", self.address(row, "resolve"), "main"),
            Button("Mute for 7 days…", self.address(row, "mute")),
        )
