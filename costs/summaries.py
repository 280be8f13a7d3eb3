"""What the console shows of spend, as frozen values, in a few queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Sum

from costs import in_force
from costs.models import Adjustment, Budget, BudgetPeriod, CostRollup
from costs.periods import period_at
from costs.states import RANK
from costs.sums import Total
from registry.models import User

_WHOLE = 100


@dataclass(frozen=True, slots=True)
class DaySpend:
    """One UTC day.

    Attributes:
        day: the day.
        cost_nanousd: nano-USD of live versions.
        calls: their model calls.
        unpriced_calls: of these, calls without a known price.
    """

    day: date
    cost_nanousd: int = 0
    calls: int = 0
    unpriced_calls: int = 0


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One budget in its present period.

    Attributes:
        slug: its name.
        scope: of `costs.states.Scope`.
        subject: the team's or agent's slug (``agent · task``), empty for the organisation.
        depth: how far below the root of the tree it stands, from 0.
        per: of `costs.states.Per`.
        at_limit: of `costs.states.AtLimit`.
        starts_at: start of the period, aware UTC.
        ends_at: its end, exclusive.
        limit_nanousd: nano-USD, with what tops it up now.
        settled_nanousd: nano-USD spent.
        reserved_nanousd: nano-USD set aside.
        overrun: whether spent and set aside have passed the limit.
    """

    slug: str
    scope: str
    subject: str
    depth: int
    per: str
    at_limit: str
    starts_at: datetime
    ends_at: datetime
    limit_nanousd: int
    settled_nanousd: int
    reserved_nanousd: int
    overrun: bool

    @property
    def percent(self) -> int:
        """Spent, in whole percent of the limit, rounded down."""
        return self.settled_nanousd * _WHOLE // self.limit_nanousd

    @property
    def left_nanousd(self) -> int:
        """What may still be set aside, nano-USD; never negative."""
        return max(0, self.limit_nanousd - self.settled_nanousd - self.reserved_nanousd)


@dataclass(frozen=True, slots=True)
class SpendSummary:
    """Spend as one person may see it, as of the last rollup.

    Attributes:
        days: the last days, the oldest first, today last; days without spend included.
        month_nanousd: nano-USD since the first of the UTC month, calls made in it.
        month_unpriced_calls: calls of the month without a known price.
        month_shadow_nanousd: nano-USD of shadow versions in the month, in none of the others.
        month_adjusted_nanousd: nano-USD of older calls that were received in the month.
        budgets: the budget tree, depth first.
    """

    days: tuple[DaySpend, ...]
    month_nanousd: int
    month_unpriced_calls: int
    month_shadow_nanousd: int
    month_adjusted_nanousd: int
    budgets: tuple[BudgetLine, ...]


def spend_summary(*, user: User, now: datetime, days: int = 30) -> SpendSummary:
    """Return what a person may see of spend and budgets.

    Args:
        user: the person.
        now: aware UTC.
        days: how many days, today included.
    """
    today = now.astimezone(UTC).date()
    month = today.replace(day=1)
    first = today - timedelta(days=days - 1)
    found = _by_day(user, min(first, month), today)
    real = {day: spend for (day, shadow), spend in found.items() if not shadow}
    adjusted = Adjustment.objects.visible_to(user).real().filter(booked_on__gte=_start(month))
    return SpendSummary(
        days=tuple(real.get(day, DaySpend(day)) for day in (first + timedelta(days=number) for number in range(days))),
        month_nanousd=sum(spend.cost_nanousd for day, spend in real.items() if day >= month),
        month_unpriced_calls=sum(spend.unpriced_calls for day, spend in real.items() if day >= month),
        month_shadow_nanousd=sum(
            spend.cost_nanousd for (day, shadow), spend in found.items() if shadow and day >= month
        ),
        month_adjusted_nanousd=adjusted.aggregate(cost=Total("cost_nanousd"))["cost"] or 0,
        budgets=budget_tree(user=user, now=now),
    )


def budget_tree(*, user: User, now: datetime) -> tuple[BudgetLine, ...]:
    """Return the budgets in force that a person may see, each in its present period, depth first."""
    budgets = list(Budget.objects.visible_to(user).active().select_related("team", "agent__team").distinct())
    rows = BudgetPeriod.objects.current(now).filter(budget__in=budgets)
    periods = {(row.budget_id, row.starts_at, row.ends_at): row for row in rows}
    top_ups = in_force.top_ups_of(budgets)
    return tuple(
        _line(budget, periods, now, limit=in_force.limit_at(budget, now, top_ups=top_ups.get(budget.pk, ())))
        for budget in sorted(budgets, key=_place)
    )


def _by_day(user: User, first: date, last: date) -> dict[tuple[date, bool], DaySpend]:
    rows = CostRollup.objects.visible_to(user).daily().between(_start(first), _start(last + timedelta(days=1)))
    sums = rows.order_by().values("bucket_start", "shadow")
    sums = sums.annotate(cost=Total("cost_nanousd"), number=Sum("calls"), unknown=Sum("unpriced_calls"))
    return {
        (row["bucket_start"].date(), row["shadow"]): DaySpend(
            row["bucket_start"].date(), row["cost"], row["number"], row["unknown"]
        )
        for row in sums
    }


def _start(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _place(budget: Budget) -> tuple[str, str, str, str]:
    """Sort the organisation first, each team before its agents, each agent before its tasks."""
    return (budget.audit_team, budget.audit_agent, budget.task, budget.slug)


def _line(
    budget: Budget, periods: Mapping[tuple[int, datetime, datetime], BudgetPeriod], now: datetime, *, limit: int
) -> BudgetLine:
    period = period_at(budget.per, budget.zone, now)
    row = periods.get((budget.pk, period.start, period.end))
    subject = " · ".join(part for part in (budget.audit_agent or budget.audit_team, budget.task) if part)
    return BudgetLine(
        slug=budget.slug,
        scope=budget.scope,
        subject=subject,
        depth=max(RANK.values()) - RANK[budget.scope],
        per=budget.per,
        at_limit=budget.at_limit,
        starts_at=period.start,
        ends_at=period.end,
        limit_nanousd=limit,
        settled_nanousd=row.settled_nanousd if row else 0,
        reserved_nanousd=row.reserved_nanousd if row else 0,
        overrun=bool(row and row.overrun),
    )
