"""Prices of our own: for models that the shipped list does not know, or that are bought at another price.

A price somebody wrote down comes before the shipped list's. It is found by the model's exact name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from costs import prices
from costs.models import ModelPrice
from costs.money import MAX_CALL_NANOUSD
from costs.prices import Price, Tokens

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Nano-USD per million tokens of each bucket.

    Attributes:
        version: what usage rows pin; empty for rates that are only tried.
    """

    input: int
    cache_read: int
    cache_write: int
    output: int
    version: str = ""

    def price(self, tokens: Tokens) -> Price:
        """Return what a call costs: rounded once, to the nearest nano-USD, ties to even; at most `MAX_CALL_NANOUSD`."""
        total = (
            self.input * tokens.input_uncached
            + self.cache_read * tokens.cache_read
            + self.cache_write * tokens.cache_write
            + self.output * tokens.output
        )
        nanousd = (Decimal(total) / _MILLION).to_integral_value(rounding=ROUND_HALF_EVEN)
        return Price(min(int(nanousd), MAX_CALL_NANOUSD), self.version)


def rates_of(row: ModelPrice) -> Rates:
    """Return the rates of a row."""
    return Rates(
        row.input_nanousd, row.cache_read_nanousd, row.cache_write_nanousd, row.output_nanousd, row.version
    )  # fmt: skip


def own_rates(models: Collection[str]) -> dict[str, Rates]:
    """Read the rates in force for models, by name, in one query."""
    found: dict[str, Rates] = {}
    for row in ModelPrice.objects.filter(model__in=set(models)).newest():
        found.setdefault(row.model, rates_of(row))
    return found


def price(own: Mapping[str, Rates], *, provider: str, model: str, tokens: Tokens, at: datetime) -> Price | None:
    """Return what a call cost: by our own price, else by the shipped list.

    Args:
        own: from `own_rates`.
        provider: see `costs.prices.price`, as for the others.
        model: its name.
        tokens: its counts.
        at: when it was made.
    """
    rates = own.get(model)
    if rates is not None:
        return rates.price(tokens)
    return prices.price(provider=provider, model=model, tokens=tokens, at=at)
