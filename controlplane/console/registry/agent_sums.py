"""What the list of agents shows that the agents themselves do not hold: failures and spend."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Count, Sum

from costs.models import CostRollup
from costs.sums import Total
from registry.models import User
from runs.models import Run

_DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one agent's live versions spent: model calls, of these without a known price, nano-USD of the others."""

    calls: int = 0
    unpriced: int = 0
    nanousd: int = 0


def failed_by_agent(user: User, *, now: datetime) -> dict[int, int]:
    """Count by agent the runs of the last day that failed or crashed, of those that the person sees.

    Of every agent, not of the shown ones: the failed runs of a day are found by status and time. Asked for some
    agents, SQLite goes through all runs of theirs instead.
    """
    rows = Run.objects.visible_to(user).failed().since(now - _DAY).order_by()
    return dict(rows.values_list("agent").annotate(Count("pk")))


def spent_by_agent(agents: Collection[int], *, user: User, now: datetime) -> dict[int, Spent]:
    """Sum by agent the spend of the UTC month so far, as of the last sums and as far as the person sees it."""
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    sums = CostRollup.objects.visible_to(user).real().daily().filter(agent__in=agents, bucket_start__gte=month)
    rows = sums.order_by().values_list("agent").annotate(Sum("calls"), Sum("unpriced_calls"), Total("cost_nanousd"))
    return {agent: Spent(calls, unpriced, nanousd) for agent, calls, unpriced, nanousd in rows}
