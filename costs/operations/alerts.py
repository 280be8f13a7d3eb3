"""Thresholds: each alerts once per period; at the limit of a pausing budget its agents are paused.

They are paused once each time that the limit is reached: somebody may resume them all the same. A
limit that is raised above what is spent is reached anew, by usage or by the end of what topped it up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from audit.actors import Acting, System
from audit.refusals import Conflict
from audit.transitions import note
from costs import in_force
from costs.models import Budget, BudgetAlert
from costs.money import format_usd
from costs.settlement import Standing
from costs.states import AtLimit, Scope
from registry.models import Agent, AgentQuerySet
from registry.operations import pause_agent

_WHOLE = 100


def alert(*, standings: Sequence[Standing], by: Acting, now: datetime) -> list[BudgetAlert]:
    """Note thresholds that were passed and had not alerted in their period yet.

    Runs in the transaction of the settlement, whose locks on the periods let no one else alert.

    Args:
        standings: what `costs.settlement.settle` returned.
        by: whose usage passed them.
        now: when, aware UTC.

    Returns:
        The new alerts, and those for whose budget agents are to be paused again.
    """
    if not standings:
        return []
    ids = {standing.budget_id for standing in standings}
    budgets = {row.pk: row for row in Budget.objects.filter(pk__in=ids).select_related("team", "agent__team")}
    top_ups = in_force.top_ups_of(list(budgets.values()))
    limits = {pk: in_force.limit_at(row, now, top_ups=top_ups.get(pk, ())) for pk, row in budgets.items()}
    passed = [
        (standing, threshold)
        for standing in standings
        for threshold in _thresholds(budgets[standing.budget_id])
        if standing.settled_nanousd * _WHOLE >= threshold * limits[standing.budget_id]
    ]
    if not passed:
        return []
    rows = BudgetAlert.objects.filter(budget_period__in={standing.period_id for standing, _ in passed})
    known = {(row.budget_period_id, row.threshold): row for row in rows}
    found = []
    for standing, threshold in passed:
        row, of = known.get((standing.period_id, threshold)), standing.budget_id
        if row is None:
            found.append(_raise(budgets[of], standing, threshold, limit=limits[of], by=by, now=now))
        elif row.pausing:
            found.append(row)
    return found


def pause_again(*, budget: Budget, standing: Standing, now: datetime) -> None:
    """Have the agents of a pausing budget paused when it reaches a limit that was raised above what is spent.

    Runs under `costs.in_force.hold_alone`, so nothing is spent meanwhile.

    Args:
        budget: as it is now.
        standing: its present period.
        now: aware UTC.
    """
    if budget.at_limit == AtLimit.PAUSE and standing.settled_nanousd < in_force.limit_at(budget, now):
        BudgetAlert.objects.filter(budget_period=standing.period_id, threshold=_WHOLE).update(pausing=True)


def pause_spent(*, now: datetime) -> int:
    """Pause the agents of pausing budgets that are spent.

    Called once the usage is committed, and by the sweep for what a crash left behind: pausing
    takes the agent's lock, which comes before those of budgets. Until then the spent budget
    denies.

    Args:
        now: aware UTC.

    Returns:
        How many agents were paused.
    """
    waiting = BudgetAlert.objects.filter(pausing=True).order_by("id").values_list("pk", flat=True)
    return sum(_pause_for(pk, now=now) for pk in list(waiting))


def _thresholds(budget: Budget) -> list[int]:
    return sorted({*budget.alert_at, *([_WHOLE] if budget.at_limit == AtLimit.PAUSE else [])})


def _raise(budget: Budget, standing: Standing, threshold: int, *, limit: int, by: Acting, now: datetime) -> BudgetAlert:
    row = BudgetAlert.objects.create(
        budget_period_id=standing.period_id,
        threshold=threshold,
        settled_nanousd=standing.settled_nanousd,
        limit_nanousd=limit,
        at=now,
        pausing=budget.at_limit == AtLimit.PAUSE and threshold == _WHOLE,
    )
    note(
        budget,
        kind="budget.threshold",
        by=by,
        now=now,
        outcome=budget.at_limit if threshold >= _WHOLE else AtLimit.ALERT.value,
        details={
            "threshold": threshold,
            "settled_usd": format_usd(standing.settled_nanousd),
            "limit_usd": format_usd(limit),
            "period": standing.period_id,
        },
    )
    return row


@transaction.atomic
def _pause_for(pk: int, *, now: datetime) -> int:
    rows = BudgetAlert.objects.select_related("budget_period__budget__team")
    row, paused = rows.get(pk=pk), 0
    if _is_due(row, now=now):
        budget = row.budget_period.budget
        limit = in_force.limit_at(budget, now)
        reason = f"The budget {budget.slug} of {format_usd(limit)} USD per {budget.per} is spent."
        for agent in _agents(budget).select_related("team", "owner").order_by("pk"):
            try:
                pause_agent(agent=agent, reason=reason, by=System("budgets"), now=now)
            except Conflict:
                # Somebody else paused or retired it first.
                continue
            paused += 1
    elif now < row.budget_period.ends_at:
        return 0
    # Whoever raises the limit meanwhile holds this row: then it is reached anew, and this stays.
    row = rows.select_for_update(of=("self",)).get(pk=pk)
    if now >= row.budget_period.ends_at or _is_due(row, now=now):
        BudgetAlert.objects.filter(pk=pk).update(pausing=False)
    return paused


def _is_due(row: BudgetAlert, *, now: datetime) -> bool:
    """Say whether the agents of an alert's budget are to be paused now."""
    period = row.budget_period
    # A late call may have spent a period that is over: the present one is another.
    present = period.starts_at <= now < period.ends_at
    pauses = period.budget.active and period.budget.at_limit == AtLimit.PAUSE
    return present and pauses and period.settled_nanousd >= in_force.limit_at(period.budget, now)


def _agents(budget: Budget) -> AgentQuerySet:
    active = Agent.objects.active()
    if budget.scope == Scope.ORGANISATION:
        return active
    if budget.scope == Scope.TEAM:
        return active.filter(team=budget.team)
    return active.filter(pk=budget.agent.pk) if budget.agent else active.none()
