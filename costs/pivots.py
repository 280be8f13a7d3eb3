"""Spend by agent, task, model, version or team, beside the stretch of time before; and where the month is going."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django.db.models import Sum

from costs.models import CostRollup
from costs.summaries import DaySpend
from costs.sums import Total
from registry.models import User

# What a pivot groups by: the column of the rollups, and the filter of the list of model calls.
BY: Final = {
    "agent": ("agent__slug", "agent"),
    "task": ("task", "task__exact"),
    "model": ("model", "model__exact"),
    "version": ("version", "version__exact"),
    "team": ("team", "team__exact"),
}
SPANS: Final = (7, 30, 90)
MOST_ROWS: Final = 100
_RECENT: Final = 7


@dataclass(frozen=True, slots=True)
class PivotRow:
    """One group.

    Attributes:
        name: of the agent, task, model or team; ``v3`` for a version; empty for none.
        value: what the column holds, for links.
        cost_nanousd, calls, unpriced: in the stretch.
        before_nanousd: in the stretch before it.
        shadow_nanousd: of shadow versions, in none of the others.
        trend: nano-USD by day, the oldest first.
    """

    name: str
    value: str
    cost_nanousd: int
    calls: int
    unpriced: int
    before_nanousd: int
    shadow_nanousd: int
    trend: tuple[int, ...]

    @property
    def change_nanousd(self) -> int:
        """By how much it is more than before."""
        return self.cost_nanousd - self.before_nanousd

    @property
    def change_percent(self) -> int | None:
        """The same in whole percent; None where nothing was spent before."""
        return round(self.change_nanousd * 100 / self.before_nanousd) if self.before_nanousd else None


@dataclass(frozen=True, slots=True)
class Pivot:
    """Spend by one thing.

    Attributes:
        by: of `BY`.
        days: length of the stretch; it ends today.
        rows: the dearest first.
        rest: how many groups are not shown.
        total: over all groups.
    """

    by: str
    days: int
    rows: tuple[PivotRow, ...]
    rest: int
    total: PivotRow


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where the month is going.

    Attributes:
        nanousd: spent so far, and the mean of recent whole days for every day that is left.
        spent_nanousd: so far.
        mean_nanousd: of a recent day.
        days: how many whole days the mean is of.
        left: days of the month after today.
    """

    nanousd: int
    spent_nanousd: int
    mean_nanousd: int
    days: int
    left: int


def read_pivot(*, user: User, by: str, days: int, now: datetime) -> Pivot:
    """Read spend by one thing, in one query.

    Args:
        user: who looks.
        by: of `BY`.
        days: of `SPANS`.
        now: aware UTC.
    """
    column, _ = BY[by]
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=days - 1)
    rows = CostRollup.objects.visible_to(user).daily()
    rows = rows.between(_start(first - timedelta(days=days)), _start(today + timedelta(days=1)))
    sums = rows.order_by().values(column, "shadow", "bucket_start").annotate(
        cost=Total("cost_nanousd"), number=Sum("calls"), unknown=Sum("unpriced_calls")
    )  # fmt: skip
    groups: defaultdict[Any, _Group] = defaultdict(lambda: _Group(days))
    for row in sums:
        groups[row[column]].add(row, first)
    found = [group.row(_name(by, value), str(value)) for value, group in groups.items()]
    found = [row for row in found if row.calls or row.before_nanousd or row.shadow_nanousd]
    found.sort(key=lambda row: (-row.cost_nanousd, -row.calls, row.name))
    return Pivot(by, days, tuple(found[:MOST_ROWS]), max(0, len(found) - MOST_ROWS), _total(found, days))


class _Group:
    """One group while it is added up."""

    def __init__(self, days: int) -> None:
        self.cost = self.calls = self.unpriced = self.before = self.shadow = 0
        self.trend = [0] * days

    def add(self, row: dict[str, Any], first: date) -> None:
        place = (row["bucket_start"].date() - first).days
        if place < 0:
            self.before += 0 if row["shadow"] else row["cost"]
        elif row["shadow"]:
            self.shadow += row["cost"]
        else:
            self.cost += row["cost"]
            self.calls += row["number"]
            self.unpriced += row["unknown"]
            if place < len(self.trend):
                self.trend[place] += row["cost"]

    def row(self, name: str, value: str) -> PivotRow:
        return PivotRow(
            name, value, self.cost, self.calls, self.unpriced, self.before, self.shadow, tuple(self.trend)
        )  # fmt: skip


def _name(by: str, value: Any) -> str:
    if by == "version":
        return f"v{value}" if value else ""
    return str(value)


def _total(rows: Sequence[PivotRow], days: int) -> PivotRow:
    return PivotRow(
        "", "",
        sum(row.cost_nanousd for row in rows),
        sum(row.calls for row in rows),
        sum(row.unpriced for row in rows),
        sum(row.before_nanousd for row in rows),
        sum(row.shadow_nanousd for row in rows),
        tuple(sum(row.trend[day] for row in rows) for day in range(days)),
    )  # fmt: skip


def forecast(days: Sequence[DaySpend], *, month_nanousd: int, now: datetime) -> Forecast | None:
    """Say where the month is going: spent, plus the mean of up to seven whole days for each day left.

    Args:
        days: the last days, today last.
        month_nanousd: spent in the month so far.
        now: aware UTC.

    Returns:
        None where there is no whole day to go by.
    """
    whole = days[:-1][-_RECENT:]
    spent = [day.cost_nanousd for day in whole]
    # Days before the first spend say nothing about what a day costs.
    while spent and not spent[0]:
        spent.pop(0)
    if not spent:
        return None
    today = now.astimezone(UTC).date()
    left = monthrange(today.year, today.month)[1] - today.day
    mean = sum(spent) // len(spent)
    return Forecast(month_nanousd + mean * left, month_nanousd, mean, len(spent), left)


def _start(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
