"""How much could go wrong: a tier from what is known of an action (pure).

Points are added; nothing takes any away, so that a further label, a larger amount or a new
destination never lowers a tier:

- capability: ``execute`` 2, ``write`` and ``notify`` 1, ``read`` 0
- labels: one of `SPECIAL` 2, else any label 1
- amount: 10,000 and more 3, 1,000 and more 2, any 1. Amounts are not converted: where a unit is
  worth little this errs upwards
- reach: more than 100 units 2, more than 10 units 1
- at least one destination at which no action of this agent ever succeeded: 1

0 and 1 points are low, 2 and 3 medium, 4 and 5 high, more is critical.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from approvals.states import Tier
from registry.amounts import Money

SPECIAL: Final = frozenset({"biometric", "credentials", "financial", "health", "legal", "secret", "special"})
_CAPABILITIES: Final = {"read": 0, "write": 1, "notify": 1, "execute": 2}
_AMOUNTS: Final = ((Decimal(10_000), 3), (Decimal(1_000), 2))
_REACH: Final = ((100, 2), (10, 1))
_TIERS: Final = ((6, Tier.CRITICAL), (4, Tier.HIGH), (2, Tier.MEDIUM), (0, Tier.LOW))


@dataclass(frozen=True, slots=True)
class Risk:
    """A tier and what led to it.

    Attributes:
        tier: the tier.
        points: their sum.
        reasons: one for each that counted, with its points, in a fixed order.
    """

    tier: Tier
    points: int
    reasons: tuple[str, ...]


def assess(
    *, capability: str, data_classes: Collection[str], amount: Money | None, units: int, new_destinations: int
) -> Risk:
    """Judge an action.

    Args:
        capability: of the verb; an unknown one counts as the worst.
        data_classes: its labels.
        amount: money that it moves; None: none.
        units: how many things it touches.
        new_destinations: how many of its destinations this agent never reached before.
    """
    found = [
        (_CAPABILITIES.get(capability, 2), f"it may {capability}"),
        _of_labels(data_classes),
        _of_amount(amount),
        next(((points, f"{units} units") for least, points in _REACH if units > least), (0, "")),
        (int(new_destinations > 0), f"{new_destinations} new destination{'s' * (new_destinations > 1)}"),
    ]  # fmt: skip
    points = sum(number for number, _ in found)
    tier = next(tier for least, tier in _TIERS if points >= least)
    return Risk(tier, points, tuple(f"{words} (+{number})" for number, words in found if number))


def _of_labels(labels: Collection[str]) -> tuple[int, str]:
    special = sorted(SPECIAL & set(labels))
    if special:
        return 2, f"carries {', '.join(special)} data"
    return (1, f"carries {', '.join(sorted(labels))} data") if labels else (0, "")


def _of_amount(amount: Money | None) -> tuple[int, str]:
    if amount is None or not amount.value:
        return 0, ""
    points = next((points for least, points in _AMOUNTS if amount.value >= least), 1)
    return points, f"moves {amount}"
