"""Risk tiers: their points, and that nothing ever lowers one."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from approvals.risk import SPECIAL, assess
from approvals.states import Tier
from registry.amounts import Money


def _risk(**fields: Any) -> Tier:
    return assess(**{**_PLAIN, **fields}).tier


_PLAIN: dict[str, Any] = {"capability": "read", "data_classes": (), "amount": None, "units": 1, "new_destinations": 0}


def _money(value: str, currency: str = "USD") -> Money:
    return Money(Decimal(value), currency)


@pytest.mark.parametrize(
    ("fields", "tier"),
    [({}, Tier.LOW), ({"capability": "write"}, Tier.LOW), ({"capability": "write", "new_destinations": 1}, Tier.MEDIUM),
     ({"capability": "notify", "data_classes": ["pii"], "new_destinations": 1}, Tier.MEDIUM),
     ({"capability": "notify", "data_classes": ["pii"], "new_destinations": 3, "units": 11}, Tier.HIGH),
     ({"capability": "execute", "amount": _money("820.00")}, Tier.MEDIUM),
     ({"capability": "execute", "amount": _money("1000.00")}, Tier.HIGH),
     ({"capability": "execute", "amount": _money("10000"), "new_destinations": 1}, Tier.CRITICAL),
     ({"capability": "execute", "amount": _money("0.00")}, Tier.MEDIUM),
     ({"capability": "write", "data_classes": ["health"], "units": 101}, Tier.HIGH),
     ({"capability": "unheard-of"}, Tier.MEDIUM)],
)  # fmt: skip
def test_points_make_tiers(fields: dict[str, Any], tier: Tier) -> None:
    assert _risk(**fields) == tier


def test_reasons_name_what_counted_with_its_points() -> None:
    risk = assess(
        capability="execute", data_classes=["financial", "pii"], amount=_money("12000.00", "EUR"), units=1,
        new_destinations=2,
    )  # fmt: skip
    assert risk.reasons == (
        "it may execute (+2)", "carries financial data (+2)", "moves 12000.00 EUR (+3)", "2 new destinations (+1)",
    )  # fmt: skip
    assert (risk.points, risk.tier) == (8, Tier.CRITICAL)


def test_nothing_that_is_added_lowers_a_tier() -> None:
    order = list(Tier)
    capabilities = ("read", "notify", "execute")
    labels = ((), ("pii",), ("pii", next(iter(SPECIAL))))
    amounts = (None, _money("0.01"), _money("1000"), _money("99999"))
    steps = (capabilities, labels, amounts, (1, 11, 101), (0, 1))
    names = ("capability", "data_classes", "amount", "units", "new_destinations")
    for places in product(*(range(len(each)) for each in steps)):
        here = dict(zip(names, (step[at] for step, at in zip(steps, places, strict=True)), strict=True))
        for name, step, at in zip(names, steps, places, strict=True):
            if at + 1 < len(step):
                assert order.index(_risk(**{**here, name: step[at + 1]})) >= order.index(_risk(**here))
