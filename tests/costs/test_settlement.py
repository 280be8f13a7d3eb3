"""Usage that settles reservations and counts into budgets."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.ids import new_id
from costs import budgets
from costs.models import BudgetPeriod, Reservation, Usage
from costs.operations import record_usage
from costs.reports import LATE
from costs.states import ReservationState
from costs.verification import verify_budgets
from tests.costs.spending import CENT, Small, cents, make_budget, make_decision, make_report, reserve, spend, standing
from tests.world import INSTALLATION, NOW, World, make_agent

pytestmark = pytest.mark.slow


def test_settle_ends_the_reservation_at_what_it_cost(small: Small) -> None:
    make_budget()
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    spend(small.agent, 12, decision_id=decision)
    assert standing() == (12, 0)
    row = Reservation.objects.get()
    assert (row.state, row.settled_nanousd, row.overrun) == (ReservationState.SETTLED, 12 * CENT, False)


def test_settle_counts_later_calls_of_the_same_decision(small: Small) -> None:
    make_budget()
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    for number in (12, 13, 14):
        spend(small.agent, number, decision_id=decision)
    assert standing() == (39, 0)
    assert Reservation.objects.overrun().get().settled_nanousd == 39 * CENT


def test_settle_above_the_limit_is_kept_and_blocks_what_comes_next(small: Small) -> None:
    make_budget()
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    spend(small.agent, 130, decision_id=decision)
    assert standing() == (130, 0)
    assert BudgetPeriod.objects.get().overrun
    assert Reservation.objects.get().overrun
    assert reserve(small.agent, 0) is not None


def test_settle_within_the_limit_flags_no_overrun(small: Small) -> None:
    make_budget()
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    spend(small.agent, 100, decision_id=decision)
    assert not BudgetPeriod.objects.get().overrun


def test_settle_without_reservation_counts_at_every_level(world: World) -> None:
    make_budget("all", organisation=True)
    make_budget("team", at_limit="alert")
    make_budget("agent", agent="job-applier")
    make_budget("task", agent="job-applier", task="screen")
    make_budget("other", team="billing")
    spend(world.agent, 7, task="screen")
    spend(world.agent, 5)
    assert standing("all") == standing("team") == standing("agent") == (12, 0)
    assert standing("task") == (7, 0)
    assert standing("other") == (0, 0)


def test_settle_counts_into_the_period_of_the_call(small: Small) -> None:
    make_budget()
    spend(small.agent, 7, now=NOW + timedelta(days=1), at=NOW)
    spend(small.agent, 5, now=NOW + timedelta(days=1))
    assert list(BudgetPeriod.objects.order_by("starts_at").values_list("settled_nanousd", flat=True)) == [
        7 * CENT,
        5 * CENT,
    ]


def test_settle_counts_into_the_period_in_which_it_was_reserved(small: Small) -> None:
    make_budget()
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    spend(small.agent, 12, now=NOW + timedelta(hours=20), decision_id=decision)
    assert standing() == (12, 0)
    assert verify_budgets().exact


def test_settle_after_release_still_counts_where_it_was_reserved(small: Small) -> None:
    make_budget()
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    budgets.release(decision_id=decision, by=INSTALLATION, now=NOW)
    spend(small.agent, 12, now=NOW + timedelta(hours=20), decision_id=decision)
    assert standing() == (12, 0)
    assert Reservation.objects.get().state == ReservationState.SETTLED
    assert verify_budgets().exact


@pytest.mark.parametrize(("more", "days"), [(0, [12, 0]), (1, [0, 12])])
def test_settle_counts_calls_of_an_old_action_by_their_own_time(small: Small, more: int, days: list[int]) -> None:
    make_budget()
    decision, reserved_at = make_decision(small.agent), NOW - budgets.HOLD - LATE
    reserve(small.agent, 30, decision_id=decision, now=reserved_at)
    budgets.expire_reservations(by=INSTALLATION, now=NOW)
    now = NOW + timedelta(seconds=more)
    for number in (7, 5):
        spend(small.agent, number, now=now, response_id=str(number))
        spend(small.agent, number, now=now, response_id=str(number), decision_id=decision)
    settled = dict(BudgetPeriod.objects.values_list("starts_at__day", "settled_nanousd"))
    assert [settled[reserved_at.day] // CENT, settled[NOW.day] // CENT] == days
    assert (reserve(small.agent, 89) is None) == (more == 0)
    assert set(Usage.objects.values_list("decision_id", flat=True)) == {None if more else decision}
    assert verify_budgets().exact


def test_settle_unpriced_usage_keeps_the_reservation(small: Small) -> None:
    make_budget()
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    spend(small.agent, 0, decision_id=decision, model="nobody-knows")
    assert standing() == (0, 30)


def test_settle_ignores_shadow_spend(small: Small) -> None:
    make_budget()
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    spend(small.agent, 12, decision_id=decision, shadow=True)
    assert standing() == (0, 30)


def test_settle_does_not_touch_another_agents_reservation(small: Small) -> None:
    make_budget()
    other = make_agent("mailer", owner=small.owner, team=small.team, by=small.admin)
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    spend(other, 1, decision_id=decision)
    assert standing() == (1, 30)
    assert Usage.objects.get().decision_id is None


def test_settle_takes_usage_of_the_executor(small: Small) -> None:
    make_budget()
    other = make_agent("mailer", owner=small.owner, team=small.team, by=small.admin)
    decision = make_decision(small.agent, executor=other)
    reserve(small.agent, 30, decision_id=decision)
    spend(other, 1, decision_id=decision)
    assert standing() == (1, 0)


def test_settle_drops_the_id_of_an_unknown_decision(small: Small) -> None:
    spend(small.agent, 1, decision_id=new_id())
    assert Usage.objects.get().decision_id is None


def test_settle_when_the_second_instrument_knows_the_action(small: Small) -> None:
    make_budget()
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision, now=NOW - timedelta(hours=11))
    spend(small.agent, 12, response_id="r1")
    assert BudgetPeriod.objects.count() == 2
    spend(small.agent, 12, response_id="r1", decision_id=decision)
    settled = BudgetPeriod.objects.order_by("starts_at").values_list("settled_nanousd", "reserved_nanousd")
    assert list(settled) == [(12 * CENT, 0), (0, 0)]
    assert verify_budgets().exact


def test_settle_within_one_batch_counts_each_period_once(small: Small) -> None:
    make_budget()
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    reports = [make_report(small.agent, **cents(number), decision_id=decision) for number in (1, 2, 3)]
    reports += [make_report(small.agent, **cents(4)), make_report(small.agent, **cents(5), at=NOW - timedelta(days=1))]
    record_usage(usages=reports, by=INSTALLATION, now=NOW)
    assert list(BudgetPeriod.objects.order_by("starts_at").values_list("settled_nanousd", flat=True)) == [
        5 * CENT,
        10 * CENT,
    ]
    assert verify_budgets().exact


def test_budget_counts_what_was_spent_before_it_was_set(small: Small) -> None:
    spend(small.agent, 60)
    spend(small.agent, 9, now=NOW - timedelta(days=1))
    make_budget()
    assert standing() == (60, 0)
    assert reserve(small.agent, 41) is not None
    # A late call of yesterday makes that day's row, which holds what was spent in it before.
    spend(small.agent, 1, at=NOW - timedelta(days=1))
    assert sorted(BudgetPeriod.objects.values_list("settled_nanousd", flat=True)) == [10 * CENT, 60 * CENT]
    assert verify_budgets().exact


def test_budget_put_into_force_again_counts_what_it_missed(small: Small) -> None:
    make_budget()
    spend(small.agent, 10)
    make_budget(active=False)
    spend(small.agent, 10)
    assert standing() == (10, 0)
    make_budget(active=True)
    assert standing() == (20, 0)


def test_budget_with_another_period_counts_what_was_spent_in_it(small: Small) -> None:
    spend(small.agent, 10, now=NOW - timedelta(days=1))
    make_budget()
    spend(small.agent, 10)
    make_budget(per="month")
    assert reserve(small.agent, 81) is not None
    assert reserve(small.agent, 80) is None
    assert verify_budgets().exact


def test_budget_with_another_period_brings_along_what_is_set_aside_and_settled(small: Small) -> None:
    # A Monday: the day, and the week, begin at the same moment.
    make_budget()
    open_one, settled_one = make_decision(small.agent), make_decision(small.agent)
    reserve(small.agent, 30, decision_id=open_one)
    reserve(small.agent, 20, decision_id=settled_one)
    spend(small.agent, 25, decision_id=settled_one)
    make_budget(per="week")
    day, week = BudgetPeriod.objects.order_by("ends_at")
    assert (week.settled_nanousd, week.reserved_nanousd) == (25 * CENT, 30 * CENT)
    assert day.reserved_nanousd == 0
    assert reserve(small.agent, 46) is not None
    spend(small.agent, 31, decision_id=open_one)
    week.refresh_from_db()
    assert (week.settled_nanousd, week.reserved_nanousd) == (56 * CENT, 0)
    assert verify_budgets().exact
