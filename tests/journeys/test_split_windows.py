"""A split guard's window against the definition: random meetings, the database, and a replay's memory."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from audit import sql
from audit.ids import new_id
from policies import limits
from policies.facts import LimitDemand
from policies.replaying.windows import Windows

HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
BEGAN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def fits(met: list[tuple[datetime, str]], values: set[str], *, at: datetime, maximum: int) -> bool:
    """Say by the definition whether a window up to a moment has room for all of the values."""
    return len({value for moment, value in met if at - HOUR < moment <= at} | values) <= maximum


@pytest.mark.parametrize("seed", range(30))
def test_what_is_admitted_and_when_there_is_room_follow_from_the_definition(seed: int) -> None:
    dice = random.Random(seed)
    maximum, met, at, replayed = dice.randint(1, 4), [], BEGAN, Windows()
    for _ in range(30):
        at += timedelta(minutes=dice.choice([0, 1, 7, 20, 60]))
        values = set(dice.sample("abcdefg", dice.randint(1, 5)))
        demand = LimitDemand(
            "p", f"r{seed}", "agent", "a", len(values), maximum, 3_600, split=True, values=tuple(sorted(values))
        )
        spent = limits.first_exhausted([demand], now=at)
        assert (spent is None) == fits(met, values, at=at, maximum=maximum), (seed, at, values)
        assert (replayed.exhausted([demand], at=at) is None) == (spent is None)
        if spent is None:
            limits.admit([demand], decision_id=new_id(), now=at)
            replayed.take([demand], at=at)
            met += [(at, value) for value in values]
        elif spent.retry_at is None:
            assert len(values) > maximum
        else:
            assert fits(met, values, at=spent.retry_at, maximum=maximum)
            assert not fits(met, values, at=spent.retry_at - TICK, maximum=maximum)


def test_a_letter_to_thousands_locks_a_window_for_each() -> None:
    """A statement of PostgreSQL's has room for fewer."""
    demands = [
        LimitDemand("p", "r", "destination", f"email:j{number}@acme.com", 1, 1, 3_600) for number in range(2_000)
    ]
    asked = sql.clock()
    assert limits.lock(demands) >= asked
    if sql.is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
            assert cursor.fetchone() == (len(demands),)
