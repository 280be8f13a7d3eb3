"""Floods: one caller is told to wait, nobody else is."""

from __future__ import annotations

from audit import sql
from controlplane.api.floods import REFUSED, Buckets
from tests.controlplane.api.callers import agent, nobody, person, problem
from tests.world import World

FLOODER, BYSTANDER = "203.0.113.7", "203.0.113.8"


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


def test_bad_keys_from_one_address_are_flooded_and_good_ones_pass(world: World) -> None:
    bad = agent("nonsense")
    started = sql.now()
    statuses = []
    while len(statuses) < REFUSED.burst * 3 and 429 not in statuses:
        bad.client.defaults["REMOTE_ADDR"] = FLOODER
        statuses.append(bad.send("POST", "/actions", {}).status_code)
    assert statuses[-1] == 429, sql.now() - started
    answer = bad.send("POST", "/actions", {})
    found = problem(answer, 429, "flooded")
    assert int(answer["Retry-After"]) >= 1
    assert found["detail"]
    good = agent(world.text)
    good.client.defaults["REMOTE_ADDR"] = FLOODER
    assert good.get("/self").status_code == 200
    person(world.admin)
    other = nobody()
    other.client.defaults["REMOTE_ADDR"] = BYSTANDER
    problem(other.send("POST", "/actions", {}), 401)
