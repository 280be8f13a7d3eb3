"""Where money goes: the month, its forecast, spend by day against budget, and the pivot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from controlplane.console import charts, formats
from controlplane.console.admins import list_of, page_of
from controlplane.console.costs.successes import COLUMNS, successes_by
from costs.models import Budget, Usage
from costs.pivots import BY, SPANS, Forecast, Pivot, PivotRow, forecast, read_pivot
from costs.summaries import BudgetLine, DaySpend, SpendSummary, spend_summary
from registry.models import User

_NEAR: Final = 80
_SPARK: Final = 20


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """One budget of the tree, with its address and how it stands."""

    line: BudgetLine
    url: str
    standing: str


@dataclass(frozen=True, slots=True)
class PivotLine:
    """One row of the pivot, with the rows that it counts and its trend as bars.

    Attributes:
        successes: runs of it that succeeded; None where nobody asked.
    """

    row: PivotRow
    url: str
    trend: tuple[charts.Bar, ...]
    successes: int | None = None

    @property
    def per_success_nanousd(self) -> int | None:
        """What one of them cost, rounded down, failed ones included; None without any."""
        return self.row.cost_nanousd // self.successes if self.successes else None


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to look at it."""

    name: str
    url: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class SpendPage:
    """Everything that the costs page shows.

    Attributes:
        days: spend by day; its line is the share of the budgets that bound the whole view.
        forecast: where the month is going; None where nothing can be said.
        pivot: spend by one thing, with its rows in `lines`.
        total: of the pivot.
        has_successes: whether lines and total count successes.
        successes_url: of the same with or without them; empty where there are none of what it is grouped by.
        by, spans: the ways to look at it.
        budgets: the tree in force.
        drafts: budgets not in force: name and address.
    """

    spend: SpendSummary
    days: charts.Bars
    forecast: Forecast | None
    pivot: Pivot
    lines: tuple[PivotLine, ...]
    total: PivotLine
    has_successes: bool
    successes_url: str
    by: tuple[Choice, ...]
    spans: tuple[Choice, ...]
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
    """Lay out spend by day, against each day's share of the budgets that bound all of it."""
    limit, of = _daily_limit(spend.budgets)
    largest = max((day.cost_nanousd for day in spend.days), default=0)
    scale = max(largest, limit) or 1
    step = charts.WIDTH / max(1, len(spend.days))
    bars = tuple(_bar(place, day, scale, step) for place, day in enumerate(spend.days))
    height = charts.HEIGHT - 4
    return charts.Bars(
        "Spend by day",
        bars,
        formats.money(largest),
        limit_y=round(charts.HEIGHT - limit * height / scale, 2) if limit else None,
        limit=f"{formats.money(limit)} a day, the share of {of}" if limit else "",
    )


def _bar(place: int, day: DaySpend, scale: int, step: float) -> charts.Bar:
    height = day.cost_nanousd * (charts.HEIGHT - 4) / scale
    if day.cost_nanousd:
        height = max(height, 2.0)
    bounds = {"at__gte": _midnight(day.day), "at__lt": _midnight(day.day + timedelta(days=1))}
    return charts.Bar(
        round(place * step, 2), round(charts.HEIGHT - height, 2), round(step - 2, 2), round(height, 2),
        f"{day.day:%d %b}", formats.money(day.cost_nanousd, unpriced=day.unpriced_calls),
        f"{list_of(Usage)}?{urlencode({**bounds, 'shadow__exact': '0'})}",
    )  # fmt: skip


def _midnight(day: date) -> str:
    """Write the beginning of a UTC day as lists read it."""
    return f"{day.isoformat()}T00:00:00Z"


def _daily_limit(budgets: Sequence[BudgetLine]) -> tuple[int, str]:
    """Add up each day's share of the widest budgets in view: those that no other one in view contains."""
    if not budgets:
        return 0, ""
    depth = min(line.depth for line in budgets)
    roots: dict[str, tuple[int, str]] = {}
    for line in budgets:
        if line.depth == depth:
            length = max(1, round((line.ends_at - line.starts_at) / timedelta(days=1)))
            share = line.limit_nanousd // length
            # Of several over one subject, the tightest binds.
            if line.subject not in roots or share < roots[line.subject][0]:
                roots[line.subject] = (share, line.slug)
    return sum(share for share, _ in roots.values()), ", ".join(slug for _, slug in roots.values())


def read_spend(user: User, *, by: str, days: str, now: datetime, successes: bool = False) -> SpendPage:
    """Read spend and the tree of budgets.

    Args:
        user: who looks.
        by: of `costs.pivots.BY`; anything else is the agent.
        days: of `costs.pivots.SPANS`; anything else is 30.
        now: aware UTC.
        successes: whether to count the runs that succeeded.
    """
    by = by if by in BY else "agent"
    span = next((each for each in SPANS if str(each) == days), 30)
    spend = spend_summary(user=user, now=now)
    rows = {budget.slug: budget for budget in Budget.objects.visible_to(user).distinct()}
    pivot = read_pivot(user=user, by=by, days=span, now=now)
    counted = successes_by(by, user=user, days=span, now=now) if successes and by in COLUMNS else None
    return SpendPage(
        spend,
        spend_chart(spend),
        forecast(spend.days, month_nanousd=spend.month_nanousd, now=now),
        pivot,
        tuple(
            PivotLine(
                row, _rows_of(pivot, row, now), _trend(row), None if counted is None else counted.get(row.value, 0)
            )
            for row in pivot.rows
        ),
        PivotLine(pivot.total, "", (), None if counted is None else sum(counted.values())),
        counted is not None,
        _way(by, span, successes=counted is None) if by in COLUMNS else "",
        tuple(Choice(name, _way(name, span, successes=successes), name == by) for name in BY),
        tuple(Choice(f"{each} days", _way(by, each, successes=successes), each == span) for each in SPANS),
        tuple(
            BudgetRow(line, page_of(rows[line.slug]), standing_of(line)) for line in spend.budgets if line.slug in rows
        ),
        tuple((budget.slug, page_of(budget)) for budget in rows.values() if not budget.active),
    )


def _way(by: str, days: int, *, successes: bool) -> str:
    return f"?{urlencode({'by': by, 'days': days, **({'successes': 1} if successes else {})})}#pivot"


def _rows_of(pivot: Pivot, row: PivotRow, now: datetime) -> str:
    """Return the address of the model calls that a row counts."""
    first = now.date() - timedelta(days=pivot.days - 1)
    query: dict[str, Any] = {"at__gte": _midnight(first), "shadow__exact": "0"}
    _, name = BY[pivot.by]
    if pivot.by == "version" and row.value == "0":
        query["version__isnull"] = "1"
    else:
        query[name] = row.value
    return f"{list_of(Usage)}?{urlencode(query)}"


def _trend(row: PivotRow) -> tuple[charts.Bar, ...]:
    largest = max(row.trend, default=0) or 1
    step = 100 / max(1, len(row.trend))
    return tuple(
        charts.Bar(
            round(place * step, 2), round(_SPARK - value * _SPARK / largest, 2), round(step * 0.8, 2),
            round(value * _SPARK / largest, 2), "", "",
        )
        for place, value in enumerate(row.trend)
        if value
    )  # fmt: skip
