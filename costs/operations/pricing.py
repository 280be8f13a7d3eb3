"""Prices of our own: written down, tried before, and the right to do so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import transaction

from audit.actors import Acting
from audit.refusals import Invalid, Problem
from audit.transitions import note
from costs import permissions
from costs.models import ModelPrice, Usage
from costs.money import MAX_NANOUSD, format_usd
from costs.operations.rating import Rerated, rerate
from costs.own_prices import Rates
from costs.permissions import PRICE
from registry.models import User
from registry.operations import give_right, withdraw_right
from registry.permissions import person

_LONGEST_MODEL, _LONGEST_REASON = 200, 2000


@dataclass(frozen=True, slots=True)
class Effect:
    """What pricing a model would change.

    Attributes:
        calls: of the model, all there are.
        unpriced: of these, calls without a price by now.
        before_nanousd: what the priced ones cost by now.
        after_nanousd: what all of them would cost.
    """

    calls: int
    unpriced: int
    before_nanousd: int
    after_nanousd: int

    @property
    def delta_nanousd(self) -> int:
        """By how much the sum changes."""
        return self.after_nanousd - self.before_nanousd


def preview(*, model: str, rates: Rates) -> Effect:
    """Say what rates would do to the usage of a model; nothing is written."""
    calls = unpriced = before = after = 0
    for row in Usage.objects.filter(model=model).order_by().iterator():
        calls += 1
        unpriced += row.cost_nanousd is None
        before += row.cost_nanousd or 0
        after += rates.price(row.tokens).nanousd
    return Effect(calls, unpriced, before, after)


@transaction.atomic
def price_model(*, model: str, rates: Rates, reason: str, by: Acting, now: datetime) -> Rerated:
    """Write a price down and price all usage of the model by it; rollups and budgets follow.

    Args:
        model: its name, exactly as reported.
        rates: nano-USD per million tokens.
        reason: where the price comes from.
        by: an administrator, or an operator with the right to price.
        now: aware UTC.

    Raises:
        Forbidden: without the right.
        Invalid: no such form of model, rates or reason, with pointers.
    """
    permissions.may_rerate(by)
    _check(model, rates, reason)
    row = ModelPrice.objects.create(
        model=model,
        input_nanousd=rates.input,
        cache_read_nanousd=rates.cache_read,
        cache_write_nanousd=rates.cache_write,
        output_nanousd=rates.output,
        reason=reason,
        by=person(by),
        at=now,
    )
    changed = rerate(model=model, by=by, now=now)
    note(
        _Model(model),
        kind="price.set",
        by=by,
        now=now,
        outcome=row.version,
        details={
            "usd_per_million": {
                "input": format_usd(rates.input),
                "cache_read": format_usd(rates.cache_read),
                "cache_write": format_usd(rates.cache_write),
                "output": format_usd(rates.output),
            },
            "reason": reason,
        },
    )
    return changed


def grant_price(*, user: User, by: Acting, now: datetime) -> bool:
    """Give an operator the right to price; say whether it was missing.

    Raises:
        Forbidden: not an administrator.
    """
    return give_right(user=user, right=PRICE, by=by, now=now)


def withdraw_price(*, user: User, by: Acting, now: datetime) -> bool:
    """Take the right back; say whether it was there.

    Raises:
        Forbidden: not an administrator.
    """
    return withdraw_right(user=user, right=PRICE, by=by, now=now)


class _Model:
    """A model, as the trail names it."""

    audit_type: ClassVar[str] = "model"
    audit_team = ""
    audit_agent = ""

    def __init__(self, name: str) -> None:
        self.audit_id = name[:150]


def _check(model: str, rates: Rates, reason: str) -> None:
    problems = []
    if not model or len(model) > _LONGEST_MODEL:
        problems.append(Problem("/model", "length", f"A model's name has 1 to {_LONGEST_MODEL} characters."))
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        problems.append(Problem("/reason", "length", f"Give a reason, of at most {_LONGEST_REASON} characters."))
    detail = "A price lies between 0 and a billion USD per million tokens."
    problems += [
        Problem(f"/{name}", "range", detail)
        for name in ("input", "cache_read", "cache_write", "output")
        if not 0 <= getattr(rates, name) <= MAX_NANOUSD
    ]
    if problems:
        raise Invalid("The price cannot be saved.", errors=problems)
