"""What was really spent: usage settles reservations and counts into the periods of its budgets.

Which period a call counts into: where its decision has a reservation in the budget, the one that
the moment of that reservation lies in (by the server's clock), else that of the call's own time.
A reservation takes calls for as long as they may be late (`costs.operations.usage`). So a decision
at the end of a day is settled where it had leave, and `recount` can say at any time, for any form
of period, what should be in it.

What a period holds as spent ends at `costs.money.FULL`, as a recount does. What is taken back from
a full one is counted again from the raw rows: nobody knows by how much it was more than full.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from audit import sql
from audit.refusals import Stale
from costs import in_force
from costs.models import Budget, BudgetPeriod, Reservation, Usage
from costs.money import FULL
from costs.periods import Period, period_at
from costs.states import RANK, ReservationState, Scope
from costs.sums import Total

_CHANGE = (
    "UPDATE costs_budgetperiod SET "  # noqa: S608 - a number of ours
    f"settled_nanousd = CASE WHEN settled_nanousd = {FULL} OR settled_nanousd + %s > {FULL} THEN {FULL} "
    "ELSE settled_nanousd + %s END, reserved_nanousd = reserved_nanousd - %s, "
    "overrun = CASE WHEN settled_nanousd + reserved_nanousd + %s > %s THEN TRUE ELSE overrun END "
    "WHERE budget_id = %s AND starts_at = %s AND ends_at = %s RETURNING id, settled_nanousd"
)
_RECOUNTED = "UPDATE costs_budgetperiod SET settled_nanousd = %s WHERE id = %s"
_OPEN = (
    "INSERT INTO costs_budgetperiod (budget_id, starts_at, ends_at, settled_nanousd, reserved_nanousd, overrun) "
    "VALUES (%s, %s, %s, %s, 0, %s) ON CONFLICT (budget_id, starts_at, ends_at) DO NOTHING "
    "RETURNING id, settled_nanousd"
)


@dataclass(frozen=True, slots=True)
class Charge:
    """What one call cost, and whose it was.

    Attributes:
        agent_id: who made it.
        team: slug of its team at that time.
        task: the task, or empty.
        at: when it was made, aware UTC.
        cost_nanousd: nano-USD; negative where a charge is taken back.
        decision_id: the action that had leave for it.
    """

    agent_id: int
    team: str
    task: str
    at: datetime
    cost_nanousd: int
    decision_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget's period after a settlement.

    Attributes:
        budget_id: the budget.
        period_id: the period.
        settled_nanousd: nano-USD spent in it by now.
    """

    budget_id: int
    period_id: int
    settled_nanousd: int


@dataclass(slots=True)
class _Change:
    """What a settlement does to one period."""

    limit: int
    period: Period
    settled: int = 0
    unreserved: int = 0


@dataclass(slots=True)
class _Changes:
    """Changes by (rank, budget, start and end of the period): sorted, that is the lock order."""

    found: dict[tuple[int, int, datetime, datetime], _Change] = field(default_factory=dict)
    limits: dict[int, int] = field(default_factory=dict)

    def limit_of(self, budget: Budget, now: datetime) -> int:
        """Return a budget's limit; a batch settles hundreds of reservations of few budgets."""
        if budget.pk not in self.limits:
            self.limits[budget.pk] = in_force.limit_at(budget, now)
        return self.limits[budget.pk]

    def of(self, order: tuple[int, int], limit: int, period: Period) -> _Change:
        return self.found.setdefault((*order, period.start, period.end), _Change(limit, period))


def settle(*, charges: Sequence[Charge], now: datetime) -> list[Standing]:
    """Count priced usage into its budgets, and end the reservations that it settles.

    Runs in the transaction that wrote the usage rows, after them, under
    `costs.in_force.hold_still`. What a call cost beyond its reservation is kept and blocks what
    comes next.

    Args:
        charges: priced usage of live versions; shadow spend counts into no budget.
        now: when, aware UTC.

    Returns:
        The periods whose spend changed.

    Raises:
        Stale: a reservation changed although it was locked: the caller is not in a transaction.
    """
    changes = _Changes()
    reserved = _settle_reservations(charges, changes, now=now)
    tree = in_force.present_tree()
    for charge in charges:
        rows = reserved.get(charge.decision_id, ()) if charge.decision_id else ()
        for row in rows:
            period = period_at(row.budget.per, row.budget.zone, row.created_at)
            _of_reservation(changes, row, period, now=now).settled += charge.cost_nanousd
        counted = {row.budget_id for row in rows}
        for spec in tree.over(agent_id=charge.agent_id, team=charge.team, task=charge.task):
            if spec.id not in counted:
                period = period_at(spec.per, spec.zone, charge.at)
                changes.of(spec.order, spec.limit_at(now), period).settled += charge.cost_nanousd
    return _apply(changes)


def recount(budget: Budget, period: Period) -> int:
    """Return what a budget's period should hold as spent, from the raw rows alone.

    Args:
        budget: the budget.
        period: one of its periods.

    Returns:
        Nano-USD, at most `FULL`.
    """
    own = Reservation.objects.filter(budget=budget)
    here = own.filter(created_at__gte=period.start, created_at__lt=period.end)
    usage = Usage.objects.real()
    by_time = usage.filter(_scope(budget), at__gte=period.start, at__lt=period.end)
    by_time = by_time.exclude(decision_id__in=own.values("decision_id"))
    by_reservation = usage.filter(decision_id__in=here.values("decision_id"))
    spent: int = sum(rows.aggregate(cost=Total("cost_nanousd"))["cost"] or 0 for rows in (by_time, by_reservation))
    return min(spent, FULL)


def restate(budget: Budget) -> None:
    """Set what a budget's periods hold as spent to what the raw rows say; periods of an older form stay.

    Runs under `costs.in_force.hold_alone`.
    """
    for row in BudgetPeriod.objects.filter(budget=budget).order_by("starts_at", "ends_at"):
        if fits(row, budget):
            spent = recount(budget, Period(row.starts_at, row.ends_at))
            BudgetPeriod.objects.filter(pk=row.pk).exclude(settled_nanousd=spent).update(settled_nanousd=spent)


def fits(row: BudgetPeriod, budget: Budget) -> bool:
    """Say whether a period has the length and zone that its budget has now."""
    return period_at(budget.per, budget.zone, row.starts_at) == Period(row.starts_at, row.ends_at)


def _settle_reservations(
    charges: Sequence[Charge], changes: _Changes, *, now: datetime
) -> dict[UUID, list[Reservation]]:
    """Lock the reservations of the charges' decisions, end those still open; return all of them by decision."""
    costs: defaultdict[UUID, int] = defaultdict(int)
    for charge in charges:
        if charge.decision_id:
            costs[charge.decision_id] += charge.cost_nanousd
    found: defaultdict[UUID, list[Reservation]] = defaultdict(list)
    if not costs:
        return found
    rows = Reservation.objects.filter(decision_id__in=costs).order_by("id").select_related("budget", "budget_period")
    for row in rows.select_for_update(of=("self",)):
        found[row.decision_id].append(row)
        if row.state == ReservationState.HELD:
            set_aside = Period(row.budget_period.starts_at, row.budget_period.ends_at)
            _of_reservation(changes, row, set_aside, now=now).unreserved += row.amount_nanousd
        # Not `move()`: a batch of usage settles hundreds. The row is locked, the state is guarded
        # as there, and the batch's one entry in the trail stands for all.
        updated = Reservation.objects.filter(pk=row.pk, state=row.state).update(
            state=ReservationState.SETTLED,
            settled_nanousd=_spent(row, costs[row.decision_id]),
            closed_at=row.closed_at or now,
        )
        if updated != 1:
            raise Stale("A reservation was ended in the meantime.")
    return found


def _spent(row: Reservation, cost: int) -> int:
    """Return what a reservation's decision has cost with a further charge, or one taken back."""
    if row.settled_nanousd < FULL or cost >= 0:
        return min(row.settled_nanousd + cost, FULL)
    usage = Usage.objects.real().filter(decision_id=row.decision_id)
    return usage.aggregate(cost=Total("cost_nanousd"))["cost"] or 0


def _of_reservation(changes: _Changes, row: Reservation, period: Period, *, now: datetime) -> _Change:
    limit = changes.limit_of(row.budget, now)
    return changes.of((RANK[row.budget.scope], row.budget_id), limit, period)


def _apply(changes: _Changes) -> list[Standing]:
    # Raw SQL: one statement per period changes it, guards its flag and reads it back.
    with connection.cursor() as cursor:
        return [
            Standing(key[1], *_change(cursor, key[1], change))
            for key, change in sorted(changes.found.items(), key=lambda item: item[0])
            if change.settled or change.unreserved
        ]


def _change(cursor: Any, budget_id: int, change: _Change) -> tuple[int, int]:
    start, end = sql.stamp(change.period.start), sql.stamp(change.period.end)
    settled = max(-FULL, min(change.settled, FULL))
    added = settled - change.unreserved
    update = [settled, settled, change.unreserved, added, change.limit, budget_id, start, end]
    cursor.execute(_CHANGE, update)
    row = cursor.fetchone()
    if row is None:
        # Nothing counted into this period yet. The rows behind the charges stand, so a recount
        # holds them, and what a budget that is younger than its period has missed.
        spent = recount(Budget.objects.get(pk=budget_id), change.period)
        cursor.execute(_OPEN, [budget_id, start, end, spent, spent > change.limit])
        row = cursor.fetchone()
    if row is None:
        cursor.execute(_CHANGE, update)
        row = cursor.fetchone()
    period_id, spent = int(row[0]), int(row[1])
    if spent == FULL and settled < 0:
        spent = recount(Budget.objects.get(pk=budget_id), change.period)
        cursor.execute(_RECOUNTED, [spent, period_id])
    return period_id, spent


def _scope(budget: Budget) -> Q:
    if budget.scope == Scope.TASK:
        return Q(agent=budget.agent_id, task=budget.task)
    if budget.scope == Scope.AGENT:
        return Q(agent=budget.agent_id)
    if budget.scope == Scope.TEAM and budget.team:
        return Q(team=budget.team.slug)
    return Q()
