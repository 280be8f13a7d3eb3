"""Budgets with their meters, spend by day, and the usage that has no price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from controlplane.console import charts, formats
from controlplane.console.admins import ConsoleAdmin, Empty, Fact, Sheet, page_of
from controlplane.console.lists import ByAgent, Since, agent_column, time_column
from controlplane.console.people import viewer
from controlplane.console.tags import draw_meter, draw_money, draw_state
from costs.models import Budget, Usage
from costs.money import format_usd
from costs.summaries import BudgetLine, SpendSummary, budget_tree, spend_summary
from registry.models import User

_NEAR = 80


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """One budget of the tree, with its address and how it stands."""

    line: BudgetLine
    url: str
    standing: str


@dataclass(frozen=True, slots=True)
class SpendPage:
    """Everything that the list of budgets shows above and beside the rows."""

    spend: SpendSummary
    days: charts.Bars
    budgets: tuple[BudgetRow, ...]
    drafts: tuple[tuple[str, str], ...]


def standing_of(line: BudgetLine) -> str:
    """Return how a budget stands, of the states that the console draws."""
    if line.overrun:
        return "overrun"
    if line.percent >= 100:
        return "spent"
    return "near" if line.percent >= _NEAR else "within"


def spend_chart(spend: SpendSummary) -> charts.Bars:
    """Lay out spend by day."""
    points = [
        (f"{day.day:%d %b}", day.cost_nanousd, formats.money(day.cost_nanousd, unpriced=day.unpriced_calls), "")
        for day in spend.days
    ]
    top = formats.money(max((day.cost_nanousd for day in spend.days), default=0))
    return charts.bars("Spend by day", points, top=top)


def read_spend(user: User, *, now: Any) -> SpendPage:
    """Read spend and the tree of budgets."""
    spend = spend_summary(user=user, now=now)
    rows = {budget.slug: budget for budget in Budget.objects.visible_to(user).distinct()}
    return SpendPage(
        spend,
        spend_chart(spend),
        tuple(
            BudgetRow(line, page_of(rows[line.slug]), standing_of(line)) for line in spend.budgets if line.slug in rows
        ),
        tuple((budget.slug, page_of(budget)) for budget in rows.values() if not budget.active),
    )


class BudgetPages(ConsoleAdmin):
    """Budgets."""

    plural = "Costs and budgets"
    related = ("team", "agent__team")
    empty = Empty(
        "No budgets yet.",
        "Budgets are written in the installation's document:",
        "python3 manage.py apply FILE.yaml --by USER",
    )
    list_display = ("slug",)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the tree with its meters: budgets are few, and their order says more than any column."""
        if request.method not in {"GET", "HEAD"} or not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        page = read_spend(viewer(request), now=timezone.now())
        return self.render(
            request,
            "console/costs/budgets.html",
            {"page": page, "title": self.called, "empty": self.empty, "list_url": ""},
        )

    def page(self, request: HttpRequest, row: Budget) -> Sheet:
        """Show the budget and its present period."""
        tree = budget_tree(user=viewer(request), now=timezone.now())
        line = next((line for line in tree if line.slug == row.slug), None)
        present: tuple[Fact, ...] = (Fact("State", draw_state("draft", "budget")),)
        if line is not None:
            meter = render_to_string(
                "console/meter.html", draw_meter(line.settled_nanousd, line.reserved_nanousd, line.limit_nanousd)
            )
            present = (
                Fact("State", draw_state(standing_of(line), "budget")),
                Fact("Present period", f"{formats.absolute(line.starts_at)} to {formats.absolute(line.ends_at)}"),
                Fact("Spent", format_html("{} ({} %)", draw_money(line.settled_nanousd), line.percent)),
                Fact("Set aside", draw_money(line.reserved_nanousd)),
                Fact("Left", draw_money(line.left_nanousd)),
                Fact("Meter", meter),
            )
        return Sheet(
            f"Budget {row.slug}",
            (
                *present,
                Fact("Limit", f"${format_usd(row.limit_nanousd)} per {row.per} ({row.zone})"),
                Fact("Bounds", line.subject if line and line.subject else row.get_scope_display()),
                Fact("Without an estimate it sets aside", f"${format_usd(row.reserve_nanousd)}"),
                Fact("Alerts at", ", ".join(f"{percent} %" for percent in row.alert_at) or "nothing"),
                Fact("At the limit", row.get_at_limit_display()),
            ),
        )


class SinceCalled(Since):
    """When the call was made."""


class UsagePages(ConsoleAdmin):
    """Model calls: tokens and price."""

    plural = "Model calls"
    related = ("agent",)
    empty = Empty("No usage yet.", "Model calls appear when agents report runs and steps.")
    list_display = ("model", "provider", "of_agent", "task", "tokens", "cost", "made")
    list_filter = (ByAgent, SinceCalled, "environment", ("cost_nanousd", admin.EmptyFieldListFilter))
    search_fields = ("model", "provider", "task", "agent__slug")

    of_agent = agent_column()
    made = time_column("at", "when")

    @admin.display(description="tokens in · cached · out")
    def tokens(self, row: Usage) -> str:
        """Write the buckets."""
        cached = row.cache_read + row.cache_write
        return f"{formats.count(row.input_uncached)} · {formats.count(cached)} · {formats.count(row.output)}"

    @admin.display(description="cost", ordering="cost_nanousd")
    def cost(self, row: Usage) -> SafeString:
        """Write the cost; without a known price it says so."""
        return draw_money(row.cost_nanousd)

    def page(self, request: HttpRequest, row: Usage) -> Sheet:
        """Show the call."""
        return Sheet(
            f"Call of {row.model}",
            (
                Fact("Cost", draw_money(row.cost_nanousd)),
                Fact("Priced by", row.price_version or "no price list"),
                Fact("Provider", row.provider or "unknown"),
                Fact("Agent", format_html('<a href="{}">{}</a>', page_of(row.agent), row.agent.slug)),
                Fact("Input, not cached", row.input_uncached),
                Fact("Read from cache", row.cache_read),
                Fact("Written to cache", row.cache_write),
                Fact("Output, reasoning included", row.output),
                Fact("Of it reasoning", row.reasoning),
                Fact("Made", formats.absolute(row.at)),
                Fact("Received", formats.absolute(row.received_at)),
                Fact("Task (the agent's word)", row.task or "none"),
            ),
        )
