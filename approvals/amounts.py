"""Amounts so large that whoever approves them types them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from approvals.models import Queue
from approvals.refusals import AmountNotConfirmed
from audit.refusals import Problem
from policies.selectors import is_over
from registry.amounts import AmountInvalid, Money, parse_money


def money_of(facts: Mapping[str, Any]) -> Money | None:
    """Return the money that a held action moves; `facts` are those of its revision."""
    amount = facts["amount"]
    return Money(Decimal(amount["value"]), amount["currency"]) if amount else None


def amount_to_confirm(queues: Sequence[Queue], facts: Mapping[str, Any]) -> Money | None:
    """Return the amount that an approval has to type; None where no queue asks for it.

    Args:
        queues: all that hold the request: the strictest counts.
        facts: of the current revision.
    """
    amount = money_of(facts)
    over = [queue.confirm_amount_over for queue in queues]
    return amount if any(each is not None and is_over(each, amount) for each in over) else None


def require_amount(amount: Money | None, typed: str) -> None:
    """Compare what was typed with the amount: by value, with or without the currency.

    Raises:
        AmountNotConfirmed: nothing, another amount or another currency was typed.
    """
    if amount is None:
        return
    value, _, currency = typed.strip().partition(" ")
    try:
        said = parse_money({"value": value, "currency": currency.strip().upper() or amount.currency})
    except AmountInvalid:
        said = None
    if said != amount:
        detail = "Type the amount as it will be moved."
        raise AmountNotConfirmed(detail, errors=[Problem("/confirmed_amount", "amount_not_confirmed", detail)])
