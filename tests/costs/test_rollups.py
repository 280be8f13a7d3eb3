"""Rollups equal their raw rows: by hand, after crashes, in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costs.models import Adjustment, CostRollup, DirtyBucket, Usage
from costs.operations import record_usage, roll_up
from costs.tasks import roll_up as roll_up_task
from costs.verification import verify_rollups
from tests.costs.spending import CENT, Small, cents, make_report, spend
from tests.world import INSTALLATION, NOW, World, make_agent

pytestmark = pytest.mark.slow


def total(rows: Any) -> int:
    return rows.aggregate(cost=Sum("cost_nanousd"))["cost"] or 0


def test_roll_up_sums_hours_and_days(small: Small) -> None:
    for number, minutes in ((1, 0), (2, 59), (4, 60), (8, 60 * 24)):
        spend(small.agent, number, now=NOW + timedelta(minutes=minutes))
    spend(small.agent, 16, model="nobody-knows")
    assert roll_up(now=NOW) == 5
    hours = CostRollup.objects.hourly().filter(model="gpt-4o").order_by("bucket_start")
    assert [(row.bucket_start, row.calls, row.cost_nanousd) for row in hours] == [
        (NOW, 2, 3 * CENT),
        (NOW + timedelta(hours=1), 1, 4 * CENT),
        (NOW + timedelta(days=1), 1, 8 * CENT),
    ]
    days = CostRollup.objects.daily().filter(model="gpt-4o").order_by("bucket_start")
    assert [(row.bucket_start.day, row.calls, row.output, row.cost_nanousd) for row in days] == [
        (23, 3, 7000, 7 * CENT),
        (24, 1, 8000, 8 * CENT),
    ]
    unpriced = CostRollup.objects.daily().get(model="nobody-knows")
    assert (unpriced.calls, unpriced.unpriced_calls, unpriced.cost_nanousd, unpriced.output) == (1, 1, 0, 16_000)
    assert verify_rollups().exact
    assert not DirtyBucket.objects.exists()


def test_roll_up_keeps_every_dimension_apart(world: World) -> None:
    other = make_agent("mailer", owner=world.owner, team=world.team, by=world.admin)
    variants: list[dict[str, Any]] = [
        {}, {"environment": "staging"}, {"version": 2}, {"version": None}, {"task": "screen"}, {"model": "gpt-4o-mini"},
        {"provider": "azure"}, {"shadow": True}, {"team": "billing"},
    ]  # fmt: skip
    for agent in (world.agent, other):
        record_usage(usages=[make_report(agent, **facts) for facts in variants * 2], by=INSTALLATION, now=NOW)
    roll_up(now=NOW)
    assert CostRollup.objects.daily().count() == 2 * len(variants)
    assert set(CostRollup.objects.values_list("calls", flat=True)) == {2}
    assert CostRollup.objects.daily().real().count() == 2 * (len(variants) - 1)
    assert verify_rollups().exact


def test_roll_up_again_changes_nothing(small: Small) -> None:
    spend(small.agent, 1)
    roll_up(now=NOW)
    before = list(CostRollup.objects.order_by("grain").values())
    assert roll_up(now=NOW) == 0
    assert list(CostRollup.objects.order_by("grain").values()) == before


def test_roll_up_takes_late_usage_into_its_own_hour_for_a_week(small: Small) -> None:
    spend(small.agent, 1)
    roll_up(now=NOW)
    later = NOW + timedelta(days=7)
    spend(small.agent, 2, now=later, at=NOW)
    roll_up(now=later)
    assert CostRollup.objects.daily().get().cost_nanousd == 3 * CENT
    assert not Adjustment.objects.exists()
    assert verify_rollups().exact


def test_roll_up_books_later_usage_as_an_adjustment(small: Small) -> None:
    spend(small.agent, 1)
    roll_up(now=NOW)
    later = NOW + timedelta(days=9, seconds=1)
    spend(small.agent, 2, now=later, at=NOW)
    spend(small.agent, 4, now=later + timedelta(hours=1), at=NOW)
    spend(small.agent, 8, now=later + timedelta(days=1), at=NOW)
    roll_up(now=later + timedelta(days=1))
    assert CostRollup.objects.daily().get().cost_nanousd == CENT
    booked = Adjustment.objects.order_by("booked_on")
    assert [(row.bucket_start, row.booked_on.day, row.calls, row.cost_nanousd) for row in booked] == [
        (NOW, 2, 2, 6 * CENT),
        (NOW, 3, 1, 8 * CENT),
    ]
    assert verify_rollups().exact
    assert total(CostRollup.objects.daily()) + total(Adjustment.objects) == total(Usage.objects)


def test_roll_up_works_marks_off_in_portions(small: Small) -> None:
    for hours in range(5):
        spend(small.agent, 1, now=NOW + timedelta(hours=hours))
    assert roll_up(now=NOW, limit=2) == 2
    assert verify_rollups().pending == 3
    assert not verify_rollups().exact
    assert roll_up_task() == 3
    assert verify_rollups().exact


def test_verify_rollups_names_what_differs(small: Small) -> None:
    spend(small.agent, 1)
    spend(small.agent, 1, now=NOW + timedelta(days=9), at=NOW)
    roll_up(now=NOW + timedelta(days=9))
    CostRollup.objects.hourly().update(output=1)
    CostRollup.objects.daily().delete()
    Adjustment.objects.update(calls=2)
    found = verify_rollups()
    assert {difference.of for difference in found.differences} == {"hour", "day", "adjustment"}
    assert {difference.starts_at.day for difference in found.differences} == {NOW.day}
    assert all(str(small.agent.pk) in difference.subject for difference in found.differences)


class Crash(Exception):
    """The process died."""


@contextmanager
def crashing_at(statement: int) -> Iterator[None]:
    """Die at one of the statements that the block sends to the database."""
    sent = 0

    def send(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal sent
        # The test's own transaction turns the operation's into savepoints, which a dying process has none of.
        sent += "SAVEPOINT" not in sql
        if sent == statement and "SAVEPOINT" not in sql:
            raise Crash
        return execute(sql, params, many, context)

    with connection.execute_wrapper(send):
        yield


def test_roll_up_crashing_at_any_statement_loses_nothing(small: Small) -> None:
    later = NOW + timedelta(days=9)
    spend(small.agent, 1)
    roll_up(now=NOW)
    statement, crashed = 0, True
    while crashed:
        statement += 1
        spend(small.agent, 2)
        spend(small.agent, 4, now=later, at=NOW)
        try:
            with crashing_at(statement):
                roll_up(now=later)
            crashed = False
        except Crash:
            assert verify_rollups().pending >= 2
            roll_up(now=later)
        assert verify_rollups().exact, statement
        assert verify_rollups().pending == 0
    assert statement > 8


def test_record_usage_crashing_at_any_statement_leaves_usage_and_sums_in_step(small: Small) -> None:
    statement, crashed = 0, True
    while crashed:
        statement += 1
        report = make_report(small.agent, event_id=f"call {statement}")
        try:
            with crashing_at(statement):
                record_usage(usages=[report], by=INSTALLATION, now=NOW)
            crashed = False
        except Crash:
            record_usage(usages=[report], by=INSTALLATION, now=NOW)
        roll_up(now=NOW)
        assert verify_rollups().exact, statement
    assert Usage.objects.count() == statement
    assert CostRollup.objects.daily().get().calls == statement


CALLS = st.fixed_dictionaries(
    {
        "hours_ago": st.integers(0, 24 * 20),
        "output": st.integers(0, 3000),
        "cache_read": st.integers(0, 3),
        "model": st.sampled_from(["gpt-4o", "gpt-4o-mini", "nobody-knows"]),
        "task": st.sampled_from(["", "screen"]),
        "shadow": st.booleans(),
        "event": st.integers(0, 12),
        "response": st.integers(0, 6),
    }
)
STEPS = st.lists(st.one_of(st.lists(CALLS, max_size=4), st.integers(1, 12)), max_size=8)


def live_through(small: Small, steps: list[Any]) -> None:
    now = datetime(2026, 11, 23, 10, tzinfo=UTC)
    with transaction.atomic():
        for step in steps:
            now += timedelta(minutes=37)
            if isinstance(step, int):
                # A rollup that dies at this statement, if it has so many.
                try:
                    with crashing_at(step):
                        roll_up(now=now)
                except Crash:
                    continue
                assert verify_rollups().exact
                continue
            reports = [
                make_report(
                    small.agent,
                    **{**cents(0), "model": call["model"], "output": call["output"]},
                    at=now - timedelta(hours=call["hours_ago"]),
                    event_id=f"e{call['event']}",
                    response_id=f"r{call['response']}" if call["response"] else "",
                    **{name: call[name] for name in ("task", "shadow", "cache_read")},
                )
                for call in step
            ]
            record_usage(usages=reports, by=INSTALLATION, now=now)
        roll_up(now=now)
        assert verify_rollups().exact
        assert total(CostRollup.objects.hourly()) + total(Adjustment.objects) == total(Usage.objects)
        transaction.set_rollback(True)


@given(STEPS)
@settings(suppress_health_check=list(HealthCheck), max_examples=20)
def test_rollups_equal_raw_rows_after_any_history(small: Small, steps: list[Any]) -> None:
    live_through(small, steps)


@pytest.mark.long
@given(STEPS)
@settings(suppress_health_check=list(HealthCheck), max_examples=600)
def test_rollups_equal_raw_rows_after_many_histories(small: Small, steps: list[Any]) -> None:
    live_through(small, steps)


@pytest.mark.parametrize("who", ["admin", "operator", "owner", "reviewer", "auditor", "stranger"])
def test_rollups_visible_to_each_role(world: World, who: str) -> None:
    spend(world.agent, 1)
    roll_up(now=NOW)
    seen = CostRollup.objects.visible_to(getattr(world, who)).exists()
    assert seen is (who in {"admin", "operator", "owner", "auditor"})
