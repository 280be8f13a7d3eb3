"""Pricing again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.actors import Acting
from audit.models import Entry
from audit.refusals import Forbidden
from costs.models import CostRollup, Reservation, Usage
from costs.operations import rerate, roll_up
from costs.operations.rating import Rerated
from costs.prices import price_version
from costs.states import ReservationState
from costs.verification import verify_budgets, verify_rollups
from tests.costs.spending import CENT, Small, make_budget, make_decision, reserve, spend, standing
from tests.world import INSTALLATION, NOW, World

pytestmark = pytest.mark.slow


def priced_by_an_older_list(cost: int | None) -> None:
    """Make all usage look as an older price list had priced it."""
    Usage.objects.update(cost_nanousd=cost, price_version="" if cost is None else "older")


def test_rerate_prices_what_had_no_price(small: Small) -> None:
    spend(small.agent, 7)
    spend(small.agent, 5, now=NOW + timedelta(hours=3))
    priced_by_an_older_list(None)
    make_budget()
    roll_up(now=NOW)
    assert rerate(model="gpt-4o", by=small.admin, now=NOW) == Rerated(calls=2, delta_nanousd=12 * CENT)
    assert standing() == (12, 0)
    roll_up(now=NOW)
    assert CostRollup.objects.daily().get().unpriced_calls == 0
    assert verify_rollups().exact
    assert verify_budgets().exact
    assert set(Usage.objects.values_list("price_version", flat=True)) == {price_version()}


def test_rerate_corrects_a_price_downwards(small: Small) -> None:
    spend(small.agent, 7)
    priced_by_an_older_list(9 * CENT)
    make_budget()
    roll_up(now=NOW)
    assert standing() == (9, 0)
    assert rerate(model="gpt-4o", by=small.admin, now=NOW).delta_nanousd == -2 * CENT
    roll_up(now=NOW)
    assert standing() == (7, 0)
    assert CostRollup.objects.daily().get().cost_nanousd == 7 * CENT
    assert verify_rollups().exact


def test_rerate_settles_reservations_that_waited_for_a_price(small: Small) -> None:
    make_budget()
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    spend(small.agent, 7, decision_id=decision, model="nobody-knows")
    Usage.objects.update(model="gpt-4o")
    assert standing() == (0, 30)
    rerate(model="gpt-4o", by=small.admin, now=NOW)
    assert standing() == (7, 0)
    assert Reservation.objects.get().state == ReservationState.SETTLED
    assert verify_budgets().exact


def test_rerate_same_prices_changes_nothing_and_leaves_no_entry(small: Small) -> None:
    spend(small.agent, 7)
    roll_up(now=NOW)
    assert rerate(model="gpt-4o", by=small.admin, now=NOW) == Rerated(0, 0)
    assert not Entry.objects.filter(kind="usage.rerated").exists()


def test_rerate_same_price_of_a_newer_list_pins_that_list(small: Small) -> None:
    spend(small.agent, 7)
    priced_by_an_older_list(7 * CENT)
    assert rerate(model="gpt-4o", by=small.admin, now=NOW) == Rerated(0, 0)
    assert Usage.objects.get().price_version == price_version()
    assert Entry.objects.get(kind="usage.rerated").object_id == "gpt-4o"


def test_rerate_keeps_a_price_that_is_no_longer_known(small: Small) -> None:
    spend(small.agent, 7)
    Usage.objects.update(model="nobody-knows")
    assert rerate(model="nobody-knows", by=small.admin, now=NOW) == Rerated(0, 0)
    assert Usage.objects.get().cost_nanousd == 7 * CENT


def test_rerate_touches_one_model_only(small: Small) -> None:
    spend(small.agent, 7)
    spend(small.agent, 7, model="gpt-4o-mini")
    priced_by_an_older_list(1)
    assert rerate(model="gpt-4o-mini", by=small.admin, now=NOW).calls == 1
    assert Usage.objects.get(model="gpt-4o").cost_nanousd == 1


def test_rerate_alerts_at_thresholds(small: Small) -> None:
    spend(small.agent, 70)
    priced_by_an_older_list(1)
    make_budget(alert_at=[60])
    rerate(model="gpt-4o", by=small.admin, now=NOW)
    assert Entry.objects.filter(kind="budget.threshold").count() == 1


def test_rerate_keeps_shadow_spend_out_of_budgets(small: Small) -> None:
    make_budget()
    spend(small.agent, 7, shadow=True)
    priced_by_an_older_list(None)
    rerate(model="gpt-4o", by=small.admin, now=NOW)
    assert standing() == (0, 0)
    roll_up(now=NOW)
    assert verify_rollups().exact


@pytest.mark.parametrize("who", ["operator", "owner", "reviewer", "auditor", "stranger"])
def test_rerate_is_for_administrators(world: World, who: str) -> None:
    by: Acting = getattr(world, who)
    with pytest.raises(Forbidden):
        rerate(model="gpt-4o", by=by, now=NOW)


def test_rerate_by_the_installation(small: Small) -> None:
    spend(small.agent, 7)
    priced_by_an_older_list(1)
    assert rerate(model="gpt-4o", by=INSTALLATION, now=NOW).calls == 1
