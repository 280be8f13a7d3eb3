"""Whether sums still say what the raw rows say: rollups, adjustments, budgets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Sum

from audit import sql
from costs import sums
from costs.models import BudgetPeriod, DirtyBucket, Reservation
from costs.models.spend import DIMENSIONS
from costs.periods import Period
from costs.settlement import fits, recount

_MOST = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """A sum that is not that of its raw rows.

    Attributes:
        of: ``hour``, ``day``, ``adjustment``, ``settled`` or ``reserved``.
        starts_at: start of the bucket or period, aware UTC.
        subject: the agent's id and the model, or the budget's slug.
    """

    of: str
    starts_at: datetime
    subject: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found.

    Attributes:
        pending: hours that still wait for the next rollup; they may differ until then.
        differences: the first hundred sums that differ.
    """

    pending: int
    differences: tuple[Difference, ...]

    @property
    def exact(self) -> bool:
        """Whether every sum is that of its raw rows."""
        return not self.differences


def verify_rollups() -> Verification:
    """Compare every rollup and adjustment with the raw rows: hours, days and adjustments, each from scratch."""
    rolled = f"SELECT grain, bucket_start, {sums.NAMES} FROM costs_costrollup WHERE grain = "  # noqa: S608 - constants
    late = f"SELECT booked_on, bucket_start, {sums.NAMES} FROM costs_adjustment"  # noqa: S608 - constants
    differences = (
        *_compare("hour", sums.of_hours(), rolled + "'hour'"),
        *_compare("day", sums.of_days(), rolled + "'day'"),
        *_compare("adjustment", sums.of_late(), late),
    )
    return Verification(DirtyBucket.objects.count(), differences[:_MOST])


def verify_budgets() -> Verification:
    """Compare what the periods of budgets in force hold with usage and reservations."""
    differences: list[Difference] = []
    for row in BudgetPeriod.objects.filter(budget__active=True).select_related("budget__team").order_by("id"):
        if fits(row, row.budget) and row.settled_nanousd != recount(row.budget, Period(row.starts_at, row.ends_at)):
            differences.append(Difference("settled", row.starts_at, row.budget.slug))
        held = Reservation.objects.held().filter(budget_period=row).aggregate(amount=Sum("amount_nanousd"))["amount"]
        if row.reserved_nanousd != (held or 0):
            differences.append(Difference("reserved", row.starts_at, row.budget.slug))
    return Verification(0, tuple(differences[:_MOST]))


def _compare(of: str, raw: str, summed: str) -> list[Difference]:
    """Return rows that only one of two SELECTs has. Both begin with a key, the bucket's start, the dimensions."""
    apart = f"SELECT * FROM ({raw} EXCEPT {summed}) AS missing UNION SELECT * FROM ({summed} EXCEPT {raw}) AS surplus"  # noqa: S608 - constants
    agent, model = 2, 2 + DIMENSIONS.index("model")
    with connection.cursor() as cursor:
        cursor.execute(apart)
        rows = cursor.fetchmany(_MOST)
    return [Difference(of, sql.read_stamp(row[1]), f"{row[agent]} {row[model]}") for row in rows]
