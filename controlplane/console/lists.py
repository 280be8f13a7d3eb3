"""Parts of lists: tabs, filters that show nobody foreign rows, and cells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from controlplane.console import formats
from controlplane.console.admins import page_of
from controlplane.console.people import viewer
from controlplane.console.tags import draw_state, draw_time
from registry.models import Agent, Team, User
from registry.states import Environment

_MOST_CHOICES = 200


class Tab(admin.SimpleListFilter):
    """Tabs above a list: each a name, a value and a filter. The first is open when the address names none."""

    title = "show"
    parameter_name = "show"
    tabs: ClassVar[tuple[tuple[str, str, Callable[[QuerySet[Any], User, datetime], QuerySet[Any]]], ...]] = ()
    is_tab = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return values and names."""
        self.user = viewer(request)
        return [(value, name) for value, name, _ in self.tabs]

    def value(self) -> str:
        """Return the open tab."""
        given = super().value()
        known = [value for value, _, _ in self.tabs]
        return given if given in known else known[0]

    def choices(self, changelist: Any) -> Any:
        """Yield the tabs."""
        for value, name in self.lookup_choices:
            query = changelist.get_query_string({self.parameter_name: value})
            yield {"selected": value == self.value(), "query_string": query, "display": name}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Apply the open tab."""
        return self.keep(queryset, self.value())

    def keep(self, queryset: QuerySet[Any], tab: str) -> QuerySet[Any]:
        """Keep the rows of one tab."""
        narrow = next(narrow for value, _, narrow in self.tabs if value == tab)
        return narrow(queryset, self.user, timezone.now())


class Since(admin.SimpleListFilter):
    """How far back; subclasses name the column."""

    title = "since"
    parameter_name = "since"
    column: ClassVar[str] = "at"
    spans: ClassVar[dict[str, tuple[str, timedelta]]] = {
        "1h": ("last hour", timedelta(hours=1)),
        "24h": ("last 24 hours", timedelta(hours=24)),
        "7d": ("last 7 days", timedelta(days=7)),
        "30d": ("last 30 days", timedelta(days=30)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return values and names."""
        return [(value, name) for value, (name, _) in self.spans.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what is young enough."""
        span = self.spans.get(self.value() or "")
        return queryset.filter(**{f"{self.column}__gte": timezone.now() - span[1]}) if span else queryset


class ByAgent(admin.SimpleListFilter):
    """The agent, of those that the person may see."""

    title = "agent"
    parameter_name = "agent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return visible agents."""
        slugs = Agent.objects.visible_to(viewer(request)).values_list("slug", flat=True)[:_MOST_CHOICES]
        chosen = self.used_parameters.get(self.parameter_name)
        # One that stands outside the first few, or was visible once, must not be dropped silently.
        return [(slug, slug) for slug in dict.fromkeys([*slugs, *([str(chosen)] if chosen else [])])]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep rows of the agent."""
        return queryset.filter(agent__slug=self.value()) if self.value() else queryset


class ByTeam(admin.SimpleListFilter):
    """The team, of those that the person may see; `column` holds its slug."""

    title = "team"
    parameter_name = "team"
    column: ClassVar[str] = "team__slug"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return visible teams."""
        slugs = Team.objects.visible_to(viewer(request)).values_list("slug", flat=True)[:_MOST_CHOICES]
        return [(slug, slug) for slug in slugs]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep rows of the team."""
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class Fixed(admin.SimpleListFilter):
    """A column of a few known words: to ask the table which words it holds would read it whole."""

    words: ClassVar[tuple[str, ...]] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the words."""
        return [(word, word) for word in self.words]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep rows with the word."""
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() in self.words else queryset


class ByEnvironment(Fixed):
    """The environment."""

    title = parameter_name = "environment"
    words = tuple(Environment.values)


def state_column(kind: str, field: str = "state") -> Callable[[Any, Any], SafeString]:
    """Return a column that draws a state."""

    @admin.display(description=field.replace("_", " "), ordering=field)
    def column(self: Any, row: Any) -> SafeString:
        return draw_state(getattr(row, field), kind)

    return column


def time_column(field: str, description: str = "", *, empty: str = "never") -> Callable[[Any, Any], SafeString | str]:
    """Return a column that writes a moment, relative, with the exact time beside it."""

    @admin.display(description=description or field.replace("_at", "").replace("_", " "), ordering=field)
    def column(self: Any, row: Any) -> SafeString | str:
        moment = getattr(row, field)
        return draw_time(moment) if moment else empty

    return column


def agent_column() -> Callable[[Any, Any], SafeString]:
    """Return a column that links to the row's agent."""

    @admin.display(description="agent", ordering="agent__slug")
    def column(self: Any, row: Any) -> SafeString:
        return format_html('<a href="{}">{}</a>', page_of(row.agent), row.agent.slug)

    return column


def short_id(row: Any) -> str:
    """Return the row's id as lists show it."""
    return formats.short_id(str(row.pk))
