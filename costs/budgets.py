"""Leave to spend: budgets in the decision's own transaction.

Exactness comes from one guarded UPDATE per budget: it adds to what is set aside only while spent,
set aside and the new amount stay within the limit, and the row's lock is held from there to the
commit. Budgets are taken leaf to root, so that two decisions never wait for each other.

Only budgets that can refuse are reserved. One that only alerts (an organisation's, unless it says
otherwise) is left to settlement and stays outside the hot lock: a row that every decision of every
agent had to lock would cost more than half of the throughput on PostgreSQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from audit import sql
from audit.actors import Acting
from audit.operations import record
from audit.refusals import Stale
from costs import in_force
from costs.in_force import BudgetSpec
from costs.models import Reservation
from costs.money import MAX_NANOUSD, format_usd
from costs.periods import Period, period_at
from costs.settlement import Charge, Standing, settle
from costs.states import RANK, AtLimit, ReservationState
from policies.models import Decision

__all__ = [
    "HOLD",
    "BudgetRefusal",
    "BudgetSpec",
    "Charge",
    "Standing",
    "budgets_for",
    "expire_reservations",
    "release",
    "reserve",
    "settle",
]

# How long money stays set aside for an action of which nothing more is heard.
HOLD = timedelta(hours=24)

_TAKE = (
    "UPDATE costs_budgetperiod SET reserved_nanousd = reserved_nanousd + %s WHERE budget_id = %s AND starts_at = %s "
    "AND ends_at = %s AND settled_nanousd + reserved_nanousd + %s <= %s RETURNING id"
)
_GIVE_BACK = "UPDATE costs_budgetperiod SET reserved_nanousd = reserved_nanousd - %s WHERE id = %s"
_OPEN = (
    "INSERT INTO costs_budgetperiod (budget_id, starts_at, ends_at, settled_nanousd, reserved_nanousd, overrun) "
    "VALUES (%s, %s, %s, 0, 0, FALSE) ON CONFLICT (budget_id, starts_at, ends_at) DO NOTHING"
)
_RESERVE = (
    "INSERT INTO costs_reservation (decision_id, budget_id, budget_period_id, amount_nanousd, settled_nanousd, state, "
    "created_at, expires_at) VALUES "
)
_RESERVED = "(%s, %s, %s, %s, 0, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class BudgetRefusal:
    """A budget that does not admit the spend.

    Attributes:
        budget: its slug.
        effect: ``deny`` or ``throttle``.
        retry_at: the end of its period, aware UTC.
        text: one sentence for people.
    """

    budget: str
    effect: str
    retry_at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class _Taken:
    budget_id: int
    period_id: int
    amount: int


def budgets_for(*, agent_id: int, team_id: int, task: str, revision: int) -> tuple[BudgetSpec, ...]:
    """Return the budgets that an agent's spend counts into, leaf to root.

    Args:
        agent_id: the agent.
        team_id: its team.
        task: the task's name, or empty.
        revision: `registry.models.Catalogue.revision`, read in the present transaction.
    """
    return in_force.tree(revision).over(agent_id=agent_id, team=team_id, task=task)


def reserve(
    *, budgets: Sequence[BudgetSpec], decision_id: UUID, estimate_nanousd: int | None, now: datetime
) -> BudgetRefusal | None:
    """Set money aside for a decision in every budget that can refuse it, or in none.

    Runs in the decision's transaction, after the limits; the decision's entry in the trail
    stands for it. After a refusal nothing is left set aside: what the leaves had admitted is
    given back here, under the locks still held, so the caller needs no savepoint.

    Args:
        budgets: what `budgets_for` returned.
        decision_id: the decision; it reserves at most once.
        estimate_nanousd: nano-USD that the action is said to cost; None sets each budget's own
            `reserve_nanousd` aside. Too low an estimate shows as an overrun, and blocks what comes next.
        now: when, aware UTC; says which period counts.

    Returns:
        The first refusal from the leaf, or None.
    """
    if estimate_nanousd is not None and estimate_nanousd < 0:
        raise ValueError("an estimate is not negative")
    taken: list[_Taken] = []
    # Raw SQL: this runs inside every decision, under locks that others wait for.
    with sql.cursor() as cursor:
        for budget in sorted((spec for spec in budgets if spec.guarded), key=lambda spec: spec.order):
            amount = budget.reserve_nanousd if estimate_nanousd is None else min(estimate_nanousd, MAX_NANOUSD)
            # Nothing is free: an estimate of zero would pass a budget that is spent.
            amount = max(amount, 1)
            period = period_at(budget.per, budget.zone, now)
            period_id = _take(cursor, budget, period, amount, limit=budget.limit_at(now))
            if period_id is None:
                for back in taken:
                    cursor.execute(_GIVE_BACK, [back.amount, back.period_id])
                return _refusal(budget, period, limit=budget.limit_at(now))
            taken.append(_Taken(budget.id, period_id, amount))
        if taken:
            times = (ReservationState.HELD.value, sql.stamp(now), sql.stamp(now + HOLD))
            rows = [(sql.key(decision_id), take.budget_id, take.period_id, take.amount, *times) for take in taken]
            cursor.execute(_RESERVE + ", ".join([_RESERVED] * len(rows)), [value for row in rows for value in row])
    return None


@transaction.atomic
def release(*, decision_id: UUID, by: Acting, now: datetime) -> int:
    """Give back what a decision still has set aside: it was denied later, or ended without usage.

    Usage that is reported afterwards still counts into the periods in which it was reserved.

    Args:
        decision_id: the decision.
        by: who ended it.
        now: when, aware UTC.

    Returns:
        How many budgets got something back.
    """
    held = _lock_held(Reservation.objects.filter(decision_id=decision_id).order_by("id"))
    _give_back(held, now=now)
    if held:
        # In the trail of the team and agent that it was set aside for, whoever ended it.
        of = Decision.objects.filter(pk=decision_id).values_list("team", "agent__slug").first()
        team, agent = of or ("", "")
        record(
            kind="budget.released",
            object_type="action",
            object_id=str(decision_id),
            by=by,
            now=now,
            team=team,
            agent=agent,
            outcome="released",
            details={"budgets": [row.budget.slug for row in held]},
        )
    return len(held)


@transaction.atomic
def expire_reservations(*, by: Acting, now: datetime, limit: int = 500) -> int:
    """Give back what was set aside for actions of which nothing was heard for `HOLD`.

    No safety depends on when this runs: until then the money stays set aside.

    Args:
        by: the sweeper.
        now: aware UTC.
        limit: how many at most.

    Returns:
        How many reservations ended.
    """
    held = _lock_held(Reservation.objects.filter(expires_at__lte=now).order_by("id"), limit=limit)
    _give_back(held, now=now)
    if held:
        slugs = sorted({row.budget.slug for row in held})
        record(
            kind="budget.reservations_expired",
            object_type="budget",
            object_id=slugs[0] if len(slugs) == 1 else "several",
            by=by,
            now=now,
            outcome="released",
            details={"budgets": slugs, "reservations": len(held)},
        )
    return len(held)


def _take(cursor: Any, budget: BudgetSpec, period: Period, amount: int, *, limit: int) -> int | None:
    """Add to what is set aside, if the limit admits it; return the period's id."""
    start, end = sql.stamp(period.start), sql.stamp(period.end)
    guarded = [amount, budget.id, start, end, amount, limit]
    cursor.execute(_TAKE, guarded)
    row = cursor.fetchone()
    if row is None:
        # Refused, or the first in its period: the row is made unless it is there, and asked again.
        cursor.execute(_OPEN, [budget.id, start, end])
        cursor.execute(_TAKE, guarded)
        row = cursor.fetchone()
    return int(row[0]) if row else None


def _refusal(budget: BudgetSpec, period: Period, *, limit: int) -> BudgetRefusal:
    return BudgetRefusal(
        budget=budget.slug,
        effect="throttle" if budget.at_limit == AtLimit.THROTTLE else "deny",
        retry_at=period.end,
        text=f"The budget {budget.slug} of {format_usd(limit)} USD per {budget.per} is spent or set aside.",
    )


def _lock_held(rows: Any, *, limit: int | None = None) -> list[Reservation]:
    """Lock reservations that are still held, in the order of their ids, before their budgets."""
    held = rows.held().select_related("budget").select_for_update(of=("self",))
    return list(held[:limit] if limit else held)


def _give_back(held: Sequence[Reservation], *, now: datetime) -> None:
    if not held:
        return
    # Not `move()`: one decision holds several of these and a sweep hundreds. The guard is the
    # same, and one entry in the trail stands for all.
    rows = Reservation.objects.filter(pk__in=[row.pk for row in held], state=ReservationState.HELD)
    if rows.update(state=ReservationState.RELEASED, closed_at=now) != len(held):
        raise Stale("A reservation was ended in the meantime.")
    amounts: defaultdict[tuple[int, int, int], int] = defaultdict(int)
    for row in held:
        amounts[RANK[row.budget.scope], row.budget_id, row.budget_period_id] += row.amount_nanousd
    with connection.cursor() as cursor:
        for key in sorted(amounts):
            cursor.execute(_GIVE_BACK, [amounts[key], key[-1]])
