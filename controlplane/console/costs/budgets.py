"""The costs page with its tree of budgets, and the page of one budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from audit.refusals import Refusal
from controlplane.console.admins import Button, ConsoleAdmin, Empty, Fact, Sheet, list_of, page_of
from controlplane.console.costs.dialogs import DRAFTERS, ChangeBudget, CreateBudget, RaiseBudget
from controlplane.console.costs.spend import read_spend, standing_of
from controlplane.console.people import viewer
from controlplane.console.tags import draw_meter, draw_money, draw_state, draw_time, write_exactly
from costs.models import Budget, TopUp
from costs.money import format_usd
from costs.permissions import may_publish_budget
from costs.summaries import budget_tree
from registry.models import User

_MOST_TOP_UPS = 20


class BudgetPages(ConsoleAdmin):
    """Budgets."""

    plural = "Costs and budgets"
    related = ("team", "agent__team")
    dialogs = {"change-terms": ChangeBudget, "raise": RaiseBudget}
    list_dialogs = {"create": CreateBudget}
    empty = Empty("No budgets yet.", "A budget bounds what the organisation, a team, an agent or a task spends.")
    list_display = ("slug",)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the tree with its meters: budgets are few, and their order says more than any column."""
        if request.method not in {"GET", "HEAD"} or not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        page = read_spend(
            viewer(request), by=request.GET.get("by", ""), days=request.GET.get("days", ""), now=timezone.now(),
            successes=request.GET.get("successes") == "1",
        )  # fmt: skip
        return self.render(
            request,
            "console/costs/budgets.html",
            {
                "page": page,
                "title": self.called,
                "empty": self.empty,
                "list_url": "",
                "buttons": self.list_buttons(request),
            },
        )

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer a new budget."""
        if viewer(request).role not in DRAFTERS:
            return ()
        return (Button("New budget…", f"{list_of(Budget)}do/create/", "main"),)

    def page(self, request: HttpRequest, row: Budget) -> Sheet:
        """Show the budget, its present period, and what tops it up."""
        user, now = viewer(request), timezone.now()
        line = next((line for line in budget_tree(user=user, now=now) if line.slug == row.slug), None)
        present: tuple[Fact, ...] = (Fact("State", draw_state("draft", "budget")),)
        if line is not None:
            meter = render_to_string(
                "console/meter.html", draw_meter(line.settled_nanousd, line.reserved_nanousd, line.limit_nanousd)
            )
            present = (
                Fact("State", draw_state(standing_of(line), "budget")),
                Fact("Present period", f"{write_exactly(line.starts_at)} to {write_exactly(line.ends_at)}"),
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
                Fact("Raised", _top_ups(row)),
                Fact("Bounds", line.subject if line and line.subject else row.get_scope_display()),
                Fact("Without an estimate it sets aside", f"${format_usd(row.reserve_nanousd)}"),
                Fact("Alerts at", ", ".join(f"{percent} %" for percent in row.alert_at) or "nothing"),
                Fact("At the limit", row.get_at_limit_display()),
            ),
            _buttons(row, user),
        )


def _top_ups(row: Budget) -> Any:
    rows = list(TopUp.objects.filter(budget=row).select_related("by")[:_MOST_TOP_UPS])
    if not rows:
        return "never"
    return format_html_join(
        "",
        '<p>${} until {} <span class="cp-note">by {}, {}: {}</span></p>',
        (
            (
                format_usd(each.amount_nanousd), draw_time(each.until), each.by.username if each.by else "the system",
                draw_time(each.at), each.reason,
            )
            for each in rows
        ),
    )  # fmt: skip


def _buttons(row: Budget, user: User) -> tuple[Button, ...]:
    if user.role not in DRAFTERS:
        return ()
    try:
        may_publish_budget(user, team=row.team, agent=row.agent)
        obstacle = ""
    except Refusal as refusal:
        obstacle = refusal.detail
    raising = Button("Raise…", page_of(row, "raise"), "main", obstacle=obstacle)
    changing = Button("Change…", page_of(row, "change-terms"), obstacle=obstacle if row.active else "")
    return (raising, changing) if row.active else (changing,)
