"""Raising a budget for a while: its limit stays, and more counts until a moment."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.actors import Acting
from audit.refusals import Conflict, Invalid, Problem
from audit.transitions import note
from costs import in_force, permissions
from costs.models import Budget, BudgetPeriod, TopUp
from costs.money import MAX_NANOUSD, format_usd, parse_usd
from costs.operations.alerts import pause_again
from costs.periods import period_at
from costs.settlement import Standing
from registry.operations import bump_catalogue
from registry.permissions import person

_LONGEST_REASON = 2000


@transaction.atomic
def top_up(*, budget: Budget, amount_usd: str, until: datetime, reason: str, by: Acting, now: datetime) -> TopUp:
    """Add to a budget's limit until a moment. From the next request on, in every process, it counts.

    Args:
        budget: in force.
        amount_usd: USD as text, more than zero.
        until: aware, in the future.
        reason: why.
        by: with the right to publish over what the budget bounds.
        now: aware UTC.

    Raises:
        Missing, Forbidden: not theirs to see, or to raise.
        Conflict: the budget is not in force.
        Invalid: with a pointer to each defect.
    """
    permissions.may_see_budget(by, budget)
    permissions.may_publish_budget(by, team=budget.team, agent=budget.agent)
    if not budget.active:
        raise Conflict("The budget is a draft: change its limit instead.")
    amount = _amount(amount_usd, until, reason, now)
    # As for every change of a budget: decisions see the new limit by the catalogue's revision.
    bump_catalogue(now=now)
    in_force.hold_alone()
    row = TopUp.objects.create(
        budget=budget, amount_nanousd=amount, until=until, reason=reason, by=person(by), at=now
    )  # fmt: skip
    limit = in_force.limit_at(budget, now)
    period = period_at(budget.per, budget.zone, now)
    present = BudgetPeriod.objects.filter(budget=budget, starts_at=period.start, ends_at=period.end).first()
    if present is not None:
        if present.overrun and present.settled_nanousd + present.reserved_nanousd <= limit:
            BudgetPeriod.objects.filter(pk=present.pk).update(overrun=False)
        pause_again(budget=budget, standing=Standing(budget.pk, present.pk, present.settled_nanousd), now=now)
    note(
        budget,
        kind="budget.topped_up",
        by=by,
        now=now,
        details={
            "amount_usd": format_usd(amount),
            "until": until.isoformat(),
            "reason": reason,
            "limit_usd": format_usd(limit),
        },
    )
    return row


def _amount(text: str, until: datetime, reason: str, now: datetime) -> int:
    problems = []
    amount = 0
    try:
        amount = parse_usd(text)
        if not 0 < amount <= MAX_NANOUSD:
            problems.append(Problem("/amount_usd", "range", "Add more than zero."))
    except ValueError as error:
        problems.append(Problem("/amount_usd", "not_admitted", str(error)))
    if until <= now:
        problems.append(Problem("/until", "past", "Choose a time that is still to come."))
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        problems.append(Problem("/reason", "length", f"Give a reason, of at most {_LONGEST_REASON} characters."))
    if problems:
        raise Invalid("The budget cannot be raised.", errors=problems)
    return amount
