"""Floods: one caller is told to wait, nobody else is."""

from __future__ import annotations

import pytest

from controlplane.api.floods import REFUSED, Buckets
from tests.controlplane.api.callers import Caller, agent, nobody, problem
from tests.world import World


def test_a_bucket_admits_its_burst_and_then_its_rate() -> None:
    buckets = Buckets(rate=8, burst=3)
    assert [buckets.take("a", 100.0) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", 100.0) == 0.125
    assert buckets.take("b", 100.0) == 0
    assert buckets.take("a", 100.125) == 0
    assert buckets.take("a", 100.125) > 0
    assert [buckets.take("a", 200.0) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", 200.0) > 0


def test_many_names_do_not_stay_in_memory() -> None:
    buckets = Buckets(rate=1, burst=2)
    for number in range(30_000):
        buckets.take(f"n{number}", 0.0)
    assert len(buckets._levels) <= 10_000


@pytest.mark.parametrize("path", ["/self", "/agents"])
def test_nobody_floods_from_one_address_and_others_pass(world: World, path: str) -> None:
    bad = nobody()
    statuses = []
    while len(statuses) < REFUSED.burst * 3 and 429 not in statuses:
        # The refused call itself is looked at: by the next one, time may have admitted somebody again.
        answer = bad.get(path)
        statuses.append(answer.status_code)
    assert set(statuses) == {401, 429}
    problem(answer, 429, "flooded")
    assert int(answer["Retry-After"]) >= 1
    good = Caller(bad.client, agent(world.text).headers)
    assert good.get("/self").status_code == 200
    problem(nobody().get(path), 401)
