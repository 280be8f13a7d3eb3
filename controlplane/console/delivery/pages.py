"""Webhooks and deliveries: the lists, and what stands about one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from controlplane.console.admins import Button, ConsoleAdmin, Empty, Fact, Sheet, list_of, page_of
from controlplane.console.delivery.dialogs import DELIVERY, ENDPOINT, CreateEndpoint
from controlplane.console.lists import ByTeam, Since, Tab, state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.registry.fields import joined
from controlplane.console.tags import draw_state, draw_time, make_visible, write_details
from controlplane.delivery.models import Attempt, Delivery, Endpoint
from controlplane.delivery.states import OPEN, DeliveryState, EndpointState
from registry.models import Agent, Team, User
from registry.states import Role

Rows = QuerySet[Any]
CONNECTED = frozenset({Role.ADMIN, Role.OPERATOR})
_MOST_CHOICES = 200
_SHOWN = 10


class EndpointPages(ConsoleAdmin):
    """Webhooks."""

    plural = "Webhooks"
    roles = CONNECTED
    related = ("team", "created_by")
    dialogs = ENDPOINT
    list_dialogs = {"create": CreateEndpoint}
    empty = Empty("No webhooks yet.", "Add one to send events to n8n, a SIEM, or any other receiver.")
    list_display = ("name", "standing", "of_team", "url", "wants", "reason")
    list_filter = ("state", ByTeam)
    search_fields = ("name", "url", "team__slug")

    standing = state_column("webhook")

    @admin.display(description="team", ordering="team__slug")
    def of_team(self, row: Endpoint) -> str:
        """Name whose events it gets."""
        return row.audit_team or "everybody"

    @admin.display(description="events")
    def wants(self, row: Endpoint) -> str:
        """Name what it gets."""
        return joined(row.kinds, empty="all")

    @admin.display(description="why")
    def reason(self, row: Endpoint) -> SafeString:
        """Say why it is not active."""
        return make_visible(row.state_reason)

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer to add one."""
        user = viewer(request)
        operates = user.role == Role.ADMIN or Team.objects.operated_by(user).exists()
        away = "" if operates else "Operators of a team do this."
        return (Button("Add a webhook…", f"{list_of(Endpoint)}do/create/", "main", away),)

    def page(self, request: HttpRequest, row: Endpoint) -> Sheet:
        """Show the webhook and its latest deliveries."""
        rows = Delivery.objects.filter(endpoint=row)
        return Sheet(
            f"Webhook {row.name}",
            (
                Fact("State", draw_state(row.state, "webhook")),
                Fact("Why", make_visible(row.state_reason) or "–"),
                Fact("Next try", draw_time(row.probe_at) if row.probe_at else "–"),
                Fact("URL", row.url, code=True),
                Fact("Events of", self.of_team(row)),
                Fact("Only teams", joined(row.teams, empty="all")),
                Fact("Kinds", self.wants(row)),
                Fact("Agents", joined(row.agents, empty="all")),
                Fact("Secret", _secret(row)),
                Fact("Added", format_html("{} by {}", draw_time(row.created_at), row.created_by.username)),
                Fact("Latest deliveries", _latest(rows)),
                Fact("All of them", format_html('<a href="{}">Deliveries</a>', list_of(Delivery, _query(row)))),
            ),
            self._buttons(row),
        )

    def _buttons(self, row: Endpoint) -> tuple[Button, ...]:
        off = row.state == EndpointState.DISABLED
        enable = Button(
            "Enable…", self.address(row, "enable"), "", "" if row.state != EndpointState.ACTIVE else "Active."
        )
        return (
            Button("Send a test event…", self.address(row, "test"), "main", "It is disabled." if off else ""),
            Button("Edit the webhook…", self.address(row, "edit")),
            Button("Rotate the secret…", self.address(row, "rotate")),
            Button("Send again what was given up…", self.address(row, "replay")),
            enable,
            Button("Disable…", self.address(row, "disable"), "danger", "It is disabled already." if off else ""),
            Button("Delete…", self.address(row, "delete"), "danger", "" if off else "Disable it first."),
        )


def _query(row: Endpoint) -> str:
    return f"show=all&webhook={row.pk}"


def _secret(row: Endpoint) -> SafeString:
    text = format_html("whsec_…{}", row.secret_hint)
    if not row.previous_until:
        return text
    return format_html("{}; the one before signs too until {}", text, draw_time(row.previous_until))


def _latest(rows: Rows) -> SafeString | str:
    lines = (
        (page_of(row), row.kind, draw_state(row.state, "delivery"), draw_time(row.created_at))
        for row in rows.order_by("-id")[:_SHOWN]
    )
    return format_html_join("", '<div><a href="{}">{}</a> {} {}</div>', lines) or "none yet"


def _waiting(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.filter(state__in=OPEN)


def _dead(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.filter(state=DeliveryState.DEAD)


def _done(rows: Rows, user: User, now: datetime) -> Rows:
    return rows.filter(state=DeliveryState.DELIVERED)


def _all(rows: Rows, user: User, now: datetime) -> Rows:
    return rows


class WhichDeliveries(Tab):
    """Which deliveries: first what went wrong or waits."""

    tabs = (
        ("waiting", "Waiting", _waiting),
        ("dead", "Given up", _dead),
        ("done", "Delivered", _done),
        ("all", "All", _all),
    )


class ByWebhook(admin.SimpleListFilter):
    """The webhook, of those that the person may see."""

    title = "webhook"
    parameter_name = "webhook"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return visible webhooks."""
        rows = Endpoint.objects.visible_to(viewer(request)).order_by("name")[:_MOST_CHOICES]
        return [(str(row.pk), row.name) for row in rows]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep those of the webhook."""
        known = {value for value, _ in self.lookup_choices}
        return queryset.filter(endpoint=self.value()) if self.value() in known else queryset


class ByAgentThen(admin.SimpleListFilter):
    """The agent concerned, of those that the person may see."""

    title = "agent"
    parameter_name = "agent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return visible agents."""
        slugs = Agent.objects.visible_to(viewer(request)).values_list("slug", flat=True)[:_MOST_CHOICES]
        return [(slug, slug) for slug in slugs]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep those about the agent."""
        return queryset.filter(agent=self.value()) if self.value() else queryset


class TeamThen(ByTeam):
    """The team of that time."""

    column = "team"


class SinceCreated(Since):
    """When it was written down."""

    column = "created_at"


class DeliveryPages(ConsoleAdmin):
    """Deliveries."""

    plural = "Deliveries"
    roles = CONNECTED
    related = ("endpoint__team", "channel")
    dialogs = DELIVERY
    empty = Empty("Nothing waits.", "Events that webhooks want, and callbacks of held actions, are listed here.")
    list_display = ("kind", "standing", "to", "agent", "tried", "told", "due", "created")
    list_filter = (WhichDeliveries, ByWebhook, ByAgentThen, TeamThen, "means", SinceCreated)
    search_fields = ("kind", "host", "agent", "last_error", "endpoint__name")
    search_help_text = "Search kind, host, agent, error"
    ordering = ("-id",)

    standing = state_column("delivery")
    due = time_column("due_at", "next try")
    created = time_column("created_at")

    @admin.display(description="to", ordering="host")
    def to(self, row: Delivery) -> str:
        """Name where it goes."""
        return row.endpoint.name if row.endpoint else f"{row.get_means_display()} {row.host}"

    @admin.display(description="failed", ordering="attempts")
    def tried(self, row: Delivery) -> str:
        """Write how often it failed."""
        return str(row.attempts or "–")

    @admin.display(description="last answer")
    def told(self, row: Delivery) -> SafeString:
        """Write what came back."""
        return make_visible(row.last_error or (str(row.last_status) if row.last_status else "–"))

    def page(self, request: HttpRequest, row: Delivery) -> Sheet:
        """Show the delivery, what it says, and its attempts."""
        webhook = format_html('<a href="{}">{}</a>', page_of(row.endpoint), row.endpoint.name) if row.endpoint else "–"
        return Sheet(
            f"{row.kind} to {row.host or 'nowhere'}",
            (
                Fact("State", draw_state(row.state, "delivery")),
                Fact("Means", row.get_means_display()),
                Fact("Webhook", webhook),
                Fact("Event", str(row.event_id), code=True),
                Fact("Team", row.team or "none"),
                Fact("Agent", row.agent or "none"),
                Fact("Written down", draw_time(row.created_at)),
                Fact("Next try", draw_time(row.due_at) if row.state in OPEN else "–"),
                Fact("Closed", draw_time(row.closed_at) if row.closed_at else "not yet"),
                Fact("Attempts", _attempts(row)),
                Fact("What it says", _laid_out(row.body), code=True),
            ),
            self._buttons(row),
        )

    def _buttons(self, row: Delivery) -> tuple[Button, ...]:
        done = "It was delivered." if row.state == DeliveryState.DELIVERED else ""
        closed = "" if row.state in OPEN else "It is closed."
        return (
            Button("Send it now…", self.address(row, "retry"), "main", done),
            Button("Cancel…", self.address(row, "cancel"), "danger", closed),
        )


def _laid_out(body: str) -> SafeString:
    # Webhooks and callbacks get JSON, people a text.
    try:
        return write_details(body)
    except ValueError:
        return make_visible(body)


def _attempts(row: Delivery) -> SafeString | str:
    lines = (
        (draw_time(each.at), f"{each.milliseconds} ms", make_visible(each.error or f"answered {each.status}"))
        for each in Attempt.objects.filter(delivery=row)
    )
    return format_html_join("", "<div>{} · {} · {}</div>", lines) or "none yet"
