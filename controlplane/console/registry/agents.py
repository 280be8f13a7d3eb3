"""The list of agents and their pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.models import ApprovalRequest
from approvals.states import ApprovalState
from controlplane.console import formats
from controlplane.console.admins import Button, ConsoleAdmin, Empty, list_of
from controlplane.console.lists import ByTeam, Tab, state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.registry.agent_buttons import DIALOGS
from controlplane.console.registry.agent_forms import Register
from controlplane.console.registry.agent_page import AgentPage, read_agent
from controlplane.console.registry.agent_sums import Spent, failed_by_agent, spent_by_agent
from controlplane.console.runs.reading import failures_url
from controlplane.console.tags import draw_money, draw_state
from registry.models import Agent, AgentKey, Release, User
from registry.states import AgentState, Environment, ReleaseState, Role

Rows = QuerySet[Any]
SILENT_AFTER = timedelta(days=7)
KEY_SOON = timedelta(days=14)


def _all(rows: Rows, user: User, now: datetime) -> Rows:
    return rows


def _silent(rows: Rows, user: User, now: datetime) -> Rows:
    seen = Q(last_seen_at__lt=now - SILENT_AFTER) | Q(last_seen_at=None)
    return rows.filter(seen, state=AgentState.ACTIVE)


def _ownerless(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.filter(owner__is_active=False).exclude(state=AgentState.RETIRED)


def _paused(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.filter(state=AgentState.PAUSED)


def _expiring(rows: Rows, user: User, now: datetime) -> Rows:
    keys = AgentKey.objects.live(now).filter(expires_at__lt=now + KEY_SOON)
    return rows.filter(pk__in=keys.values("agent"))


class Which(Tab):
    """Which agents."""

    tabs = (
        ("all", "All", _all), ("silent", "Silent", _silent), ("ownerless", "Ownerless", _ownerless),
        ("paused", "Paused", _paused), ("keys", "Keys expiring", _expiring),
    )  # fmt: skip


class AgentPages(ConsoleAdmin):
    """Agents."""

    related = ("team", "owner")
    page_template = "console/registry/agent.html"
    dialogs = DIALOGS
    list_dialogs = {"register": Register}
    empty = Empty(
        "No agents here.",
        "Register one above, or describe agents in the installation's document:",
        "python3 manage.py apply FILE.yaml --by USER",
    )
    list_display = (
        "name_and_slug",
        "standing",
        "shield",
        "owner",
        "team",
        "version",
        "seen",
        "failures",
        "spend",
        "waiting",
    )
    list_filter = (Which, "state", ByTeam, "enforcement")
    search_fields = ("slug", "name", "owner__username", "team__slug")
    search_help_text = "Search name, owner, team"

    standing = state_column("agent")
    shield = state_column("enforcement", "enforcement")
    seen = time_column("last_seen_at", "last seen")

    def get_queryset(self, request: HttpRequest) -> Rows:
        """Bring the live version with each row."""
        rows: Rows = super().get_queryset(request)
        live = Release.objects.filter(agent=OuterRef("pk"), environment=Environment.PRODUCTION, state=ReleaseState.LIVE)
        with_version: Rows = rows.annotate(live_version=Subquery(live.values("version__number")[:1]))
        return with_version

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Count what waits for the shown agents, their failures of a day, and what they spent: a query for each."""
        cl = super().get_changelist_instance(request)
        user, now, shown = viewer(request), timezone.now(), [row.pk for row in cl.result_list]
        rows = ApprovalRequest.objects.in_time(now).filter(agent__in=shown)
        found = dict(rows.order_by().values_list("agent").annotate(Count("pk")))
        failed, spent = failed_by_agent(user, now=now), spent_by_agent(shown, user=user, now=now)
        for row in cl.result_list:
            row.waiting_now = found.get(row.pk, 0)
            row.failed_lately = failed.get(row.pk, 0)
            row.spent = spent.get(row.pk, Spent())
        return cl

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer to register one."""
        operates = viewer(request).role in {Role.ADMIN, Role.OPERATOR}
        away = "" if operates else "Operators of a team and administrators register agents."
        return (Button("Register an agent…", f"{list_of(Agent)}do/register/", "main", away),)

    @admin.display(description="agent", ordering="name")
    def name_and_slug(self, row: Agent) -> SafeString:
        """Write name and slug."""
        return format_html('{} <span class="cp-note">{}</span>', row.name, row.slug)

    @admin.display(description="live", ordering="live_version")
    def version(self, row: Any) -> str:
        """Write the version that is live in production."""
        return f"v{row.live_version}" if row.live_version else "none"

    @admin.display(description="failures, 24 h")
    def failures(self, row: Any) -> SafeString | str:
        """Count the runs of the last day that failed or crashed."""
        if not row.failed_lately:
            return "–"
        return format_html('<a href="{}">{}</a>', failures_url("24h", row.slug), formats.count(row.failed_lately))

    @admin.display(description="spend, this month")
    def spend(self, row: Any) -> SafeString | str:
        """Write what its live versions spent since the month began, as of the last sums."""
        return draw_money(row.spent.nanousd, row.spent.unpriced) if row.spent.calls else "–"

    @admin.display(description="waiting")
    def waiting(self, row: Any) -> SafeString | str:
        """Count what waits for people."""
        if not row.waiting_now:
            return "–"
        url = list_of(ApprovalRequest, f"show=open&agent={row.slug}")
        return format_html(
            '<a href="{}">{} {}</a>', url, row.waiting_now, draw_state(ApprovalState.PENDING, "approval")
        )

    def page(self, request: HttpRequest, row: Agent) -> AgentPage:
        """Read the agent page."""
        return read_agent(row, user=viewer(request), now=timezone.now())
