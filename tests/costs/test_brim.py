"""Sums that are full: one agent's reports fill what is summed and break it for nobody."""

from __future__ import annotations

import logging

import pytest
from django.db import connection

from costs import in_force
from costs.models import BudgetPeriod, CostRollup, DirtyBucket, Reservation, Usage
from costs.money import FULL, MAX_CALL_NANOUSD, MAX_NANOUSD
from costs.operations import record_usage, roll_up
from costs.operations.pricing import price_model
from costs.operations.topping import top_up
from costs.own_prices import Rates
from costs.pivots import read_pivot
from costs.summaries import spend_summary
from costs.sums import total
from costs.verification import verify_budgets, verify_rollups
from registry.models import Agent
from runs.preparing import MAX_TOKENS
from tests.costs.spending import CENT, Small, make_budget, make_decision, make_report, reserve, spend
from tests.world import INSTALLATION, NOW, make_agent

MODEL = "as-dear-as-can-be"


def price(small: Small, nanousd: int) -> None:
    rates = Rates(nanousd, nanousd, nanousd, nanousd)
    price_model(model=MODEL, rates=rates, reason="a test", by=small.admin, now=NOW)


def fill(agent: Agent, *, calls: int = FULL // MAX_CALL_NANOUSD + 8, each: int = 500, **facts: object) -> None:
    """Report the dearest calls that can be reported, until every sum over them is full."""
    for done in range(0, calls, each):
        reports = [make_report(agent, model=MODEL, output=MAX_TOKENS, **facts) for _ in range(min(each, calls - done))]
        record_usage(usages=reports, by=INSTALLATION, now=NOW)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([], None),
        ([None], None),
        ([None, 3, 2**32 - 1, 2**32 - 1, 2**40 + 5], 2**40 + 2**33 + 6),
        ([2**60, 2**60 - 1], FULL - 1),
        ([2**60, 2**60], FULL),
        ([2**62, 2**62, 2**62], FULL),
    ],
)
def test_total_is_exact_up_to_full(values: list[int | None], wanted: int | None, db: None) -> None:
    rows = " UNION ALL ".join(f"SELECT CAST({'NULL' if each is None else each} AS BIGINT) AS n" for each in values)
    where = "" if values else "WHERE n < 0"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {total('n')} FROM ({rows or 'SELECT 1 AS n'}) AS made {where}")
        found = cursor.fetchone()[0]
    assert (type(found), found) == (type(wanted), wanted)


def test_limit_stays_below_what_is_full(small: Small) -> None:
    budget = make_budget(limit_usd=str(MAX_NANOUSD // 10**9))
    for _ in range(9):
        top_up(budget=budget, amount_usd="1000000000", until=NOW.replace(hour=23), reason="x", by=small.admin, now=NOW)
    assert in_force.limit_at(budget, NOW) == FULL - 1
    assert reserve(small.agent, 1) is None


@pytest.mark.slow
def test_full_budget_denies_and_others_are_written(small: Small) -> None:
    other = make_agent("other", owner=small.admin, team=small.team, by=small.admin)
    make_budget("org", organisation=True)
    make_budget("bound", limit_usd="1000000000")
    price(small, MAX_NANOUSD)
    decision = make_decision(small.agent)
    assert reserve(small.agent, 1, decision_id=decision) is None
    fill(small.agent, decision_id=decision)
    assert set(Usage.objects.values_list("cost_nanousd", flat=True)) == {MAX_CALL_NANOUSD}
    spend(other, 7)
    spend(small.agent, 5)
    assert list(BudgetPeriod.objects.values_list("settled_nanousd", flat=True)) == [FULL, FULL]
    assert Reservation.objects.get().settled_nanousd == FULL
    assert reserve(other, 1) is not None
    assert verify_budgets().exact
    roll_up(now=NOW)
    assert verify_rollups().exact
    assert not DirtyBucket.objects.exists()
    assert CostRollup.objects.hourly().get(agent=other).cost_nanousd == 7 * CENT
    assert CostRollup.objects.daily().get(model=MODEL).cost_nanousd == FULL
    # What was full is exact again where it is priced as what it is.
    price(small, 10)
    kept = FULL // MAX_CALL_NANOUSD + 8
    assert set(BudgetPeriod.objects.values_list("settled_nanousd", flat=True)) == {kept * 1000 + 12 * CENT}
    assert Reservation.objects.get().settled_nanousd == kept * 1000
    assert verify_budgets().exact


@pytest.mark.slow
def test_pages_of_costs_show_sums_of_full_sums(small: Small) -> None:
    make_budget("org", organisation=True)
    price(small, MAX_NANOUSD)
    for task in ("a", "b", "c", "d", "e"):
        fill(small.agent, task=task, calls=3)
    # Each of these sums is full; five of them are more than 64 bits hold.
    assert roll_up(now=NOW) == 5
    CostRollup.objects.update(cost_nanousd=FULL)
    summary = spend_summary(user=small.admin, now=NOW)
    assert (summary.days[-1].cost_nanousd, summary.month_nanousd) == (FULL, FULL)
    assert read_pivot(user=small.admin, by="agent", days=7, now=NOW).total.cost_nanousd == FULL


@pytest.mark.slow
def test_sum_that_cannot_be_made_stops_no_other(small: Small, caplog: pytest.LogCaptureFixture) -> None:
    other = make_agent("other", owner=small.admin, team=small.team, by=small.admin)
    for _ in range(2):
        spend(small.agent, 1)
    # More tokens than any call can report: their sum is beyond 64 bits.
    Usage.objects.update(output=2**62)
    spend(other, 2)
    spend(other, 3)
    with caplog.at_level(logging.ERROR):
        assert roll_up(now=NOW) == 4
    assert "cannot be made" in caplog.text
    assert [row.cost_nanousd for row in CostRollup.objects.hourly()] == [5 * CENT]
    assert [(row.hour, row.agent_id) for row in DirtyBucket.objects.all()] == [(NOW, small.agent.pk)]
    # It comes after those that were marked in the meantime, and is made once it can be.
    spend(other, 4)
    assert roll_up(now=NOW, limit=1) == 1
    assert roll_up(now=NOW, limit=1) == 1
    assert CostRollup.objects.hourly().get(agent=other).cost_nanousd == 9 * CENT
    Usage.objects.filter(agent=small.agent).update(output=1000)
    roll_up(now=NOW)
    assert verify_rollups().exact
    assert not DirtyBucket.objects.exists()
