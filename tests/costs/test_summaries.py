"""What the console shows of spend."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from costs.operations import roll_up
from costs.summaries import BudgetLine, budget_tree, spend_summary
from tests.costs.spending import CENT, Small, make_budget, reserve, spend
from tests.world import NOW, World, make_agent


def test_spend_summary_adds_up_days_and_the_month(world: World) -> None:
    foreign = make_agent("biller", owner=world.stranger, team=world.other, by=world.admin)
    spend(world.agent, 1)
    spend(world.agent, 2, now=NOW - timedelta(days=2))
    spend(world.agent, 4, now=NOW - timedelta(days=30))
    spend(world.agent, 8, shadow=True)
    spend(world.agent, 16, model="nobody-knows")
    spend(world.agent, 32, at=NOW - timedelta(days=15))
    spend(foreign, 64)
    roll_up(now=NOW)
    summary = spend_summary(user=world.operator, now=NOW, days=3)
    assert [(day.day.day, day.cost_nanousd, day.calls, day.unpriced_calls) for day in summary.days] == [
        (21, 2 * CENT, 1, 0),
        (22, 0, 0, 0),
        (23, CENT, 2, 1),
    ]
    assert summary.month_nanousd == 3 * CENT
    assert summary.month_unpriced_calls == 1
    assert summary.month_shadow_nanousd == 8 * CENT
    assert summary.month_adjusted_nanousd == 32 * CENT
    assert spend_summary(user=world.admin, now=NOW).month_nanousd == 67 * CENT
    assert spend_summary(user=world.reviewer, now=NOW).month_nanousd == 0


def test_spend_summary_looks_back_beyond_the_month(small: Small) -> None:
    spend(small.agent, 4, now=NOW - timedelta(days=29))
    roll_up(now=NOW)
    summary = spend_summary(user=small.admin, now=NOW)
    assert len(summary.days) == 30
    assert summary.days[0].cost_nanousd == 4 * CENT
    assert summary.month_nanousd == 0


def test_budget_tree_stands_in_order_with_what_is_spent_and_set_aside(world: World) -> None:
    make_budget("task", agent="job-applier", task="screen", limit_usd="9")
    make_budget("agent", agent="job-applier", limit_usd="9", per="week")
    make_budget("team")
    make_budget("other", team="billing")
    make_budget("all", organisation=True, limit_usd="0.20")
    make_budget("draft", active=False)
    spend(world.agent, 33, task="screen")
    reserve(world.agent, 10)
    tree = budget_tree(user=world.admin, now=NOW)
    assert [(line.slug, line.subject, line.depth) for line in tree] == [
        ("all", "", 0),
        ("other", "billing", 1),
        ("team", "talent", 1),
        ("agent", "job-applier", 2),
        ("task", "job-applier · screen", 3),
    ]
    assert _figures(tree[0]) == (33, 0, 165, 0, True)
    assert _figures(tree[2]) == (33, 10, 33, 57, False)
    assert [line.slug for line in budget_tree(user=world.owner, now=NOW)] == ["agent", "task"]


def _figures(line: BudgetLine) -> tuple[int, int, int, int, bool]:
    left = line.left_nanousd // CENT
    return line.settled_nanousd // CENT, line.reserved_nanousd // CENT, line.percent, left, line.overrun


def test_budget_tree_shows_a_new_period_before_anything_was_spent(small: Small) -> None:
    make_budget()
    spend(small.agent, 33)
    (line,) = budget_tree(user=small.admin, now=NOW + timedelta(days=1))
    assert (line.settled_nanousd, line.starts_at.day, line.left_nanousd) == (0, 24, 100 * CENT)


def test_spend_summary_takes_few_queries_whatever_there_is(world: World, django_assert_max_num_queries: Any) -> None:
    for number in range(6):
        make_budget(f"b{number}", alert_at=[])
        spend(world.agent, 1, now=NOW - timedelta(days=number), task=f"t{number}")
    roll_up(now=NOW)
    with django_assert_max_num_queries(12):
        spend_summary(user=world.operator, now=NOW)
