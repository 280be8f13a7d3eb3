"""Triggers as documents, and their trial on history: what needs no database."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policies.triggers.documents import read_trigger
from policies.triggers.trying import excursions
from registry.documents import Problems

DENIALS = {"count": "denials", "agent": "job-applier", "more_than": 2, "per": "1h", "mode": "warn"}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"count": "wishes"}, "/count"),
        ({"more_than": -1}, "/more_than"),
        ({"more_than": 1.5}, "/more_than"),
        ({"per": "30s"}, "/per"),
        ({"per": "8d"}, "/per"),
        ({"team": "talent"}, "/team"),
        ({"agent": None, "mode": "enforce"}, "/mode"),
        ({"count": "spend"}, "/more_than_usd"),
        ({"count": "spend", "more_than": None, "more_than_usd": "-1"}, "/more_than_usd"),
        ({"each_agent": True}, "/each_agent"),
        ({"nte": "x"}, "/nte"),
    ],
)
def test_defects_have_pointers(changes: dict[str, Any], pointer: str) -> None:
    problems = Problems()
    document = {key: value for key, value in {**DENIALS, **changes}.items() if value is not None}
    assert read_trigger(document, problems=problems) is None
    assert pointer in [problem.pointer for problem in problems.found]


def test_documents_go_round_and_say_in_words_what_they_do() -> None:
    document = {"count": "spend", "team": "talent", "each_agent": True, "more_than_usd": "5.50", "per": "1d",
                "mode": "enforce"}  # fmt: skip
    found = read_trigger(document, problems=Problems())
    assert found is not None
    assert found.document == document
    assert found.sentence == (
        "Fires at more than 5.50 USD spent by any one agent of the team talent within one day. "
        "That agent is paused at once; only people let go on."
    )


def test_excursions_are_those_of_a_plain_count() -> None:
    """Against a reference that counts every window anew at every minute."""
    rng, begin = random.Random(7), datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(150):
        length, more_than, window = 60, rng.randrange(6), rng.randrange(1, 12)
        amounts = {minute: rng.randrange(1, 4) for minute in rng.sample(range(length), rng.randrange(25))}
        points = [(begin + timedelta(minutes=minute), amounts[minute]) for minute in sorted(amounts)]
        end = begin + timedelta(minutes=length)
        found = excursions(points, more_than=more_than, window_seconds=window * 60, until=end)
        above = [
            sum(amount for at, amount in amounts.items() if minute - window <= at <= minute) > more_than
            for minute in range(length + 1)
        ]
        starts = [minute for minute in range(length + 1) if above[minute] and not (minute and above[minute - 1])]
        assert [(each.at - begin) // timedelta(minutes=1) for each in found] == starts
        ends = [minute for minute in range(1, length + 1) if above[minute - 1] and not above[minute]]
        assert [(each.until - begin) // timedelta(minutes=1) for each in found if each.until] == ends
