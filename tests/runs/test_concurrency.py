"""Several writers report the same things at the same moment: nothing fails, nothing doubles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Barrier
from time import monotonic
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from audit.models import Entry
from registry.models import Agent
from runs.models import Failure, Run, Step
from runs.operations import IngestOutcome, stub_run
from tests.runs.reports import error, report, run, step, usage, words
from tests.together import WAIT, at_once, raised
from tests.world import NOW, World, make_world

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres_smoke]

WRITERS = 4
RUNS = 10


@pytest.fixture
def world() -> World:
    return make_world()


def items(turn: int) -> list[dict[str, Any]]:
    """Return the same reports, in another order for each writer."""
    told = [
        item
        for number in range(RUNS)
        for item in (
            run(f"r{number}", status="failed", error=error()),
            step(f"s{number}", f"r{number}", kind="llm", usage=usage(), status="failed", error=error()),
        )
    ]
    return told[turn:] + told[:turn]


Writer = Callable[[Agent, Sequence[dict[str, Any]]], IngestOutcome]


def race(agent: Agent, writer: Writer) -> list[Any]:
    """Have the same reports written by all writers at once."""
    told = [items(turn * 3) for turn in range(WRITERS)]
    return at_once(*(lambda batch=batch: writer(agent, batch) for batch in told))


def doubled(outcomes: Sequence[Any]) -> list[str]:
    """Say what is wrong after a race; empty where nothing is."""
    faults = [str(kind) for kind in raised(outcomes)]
    if faults:
        return faults
    if (Run.objects.count(), Step.objects.count()) != (RUNS, RUNS):
        faults.append("rows")
    if sum(len(outcome.usages) for outcome in outcomes) != RUNS:
        faults.append("usage")
    created = sum(outcome.counts["created"] for outcome in outcomes)
    if created != 2 * RUNS or sum(words(outcome).count("conflict") for outcome in outcomes):
        faults.append("results")
    return faults


def honest(agent: Agent, batch: Sequence[dict[str, Any]]) -> IngestOutcome:
    return report(Agent.objects.select_related("team").get(pk=agent.pk), *batch)


def test_same_batch_by_many_writers_is_taken_once(world: World) -> None:
    assert doubled(race(world.agent, honest)) == []
    assert Failure.objects.get().count == RUNS
    assert Entry.objects.filter(kind="run.ingested").count() == 1


def test_looking_before_writing_without_a_lock_is_caught(world: World) -> None:
    looked = Barrier(WRITERS)

    def naive(agent: Agent, batch: Sequence[dict[str, Any]]) -> IngestOutcome:
        known = set(Run.objects.filter(agent=agent).values_list("event_id", flat=True))
        looked.wait(WAIT)
        for item in batch:
            if item["type"] == "run" and item["event_id"] not in known:
                Run.objects.create(
                    agent=agent, team="talent", environment="production", event_id=item["event_id"],
                    started_at=NOW, received_at=NOW, last_event_at=NOW,
                )  # fmt: skip
        return IngestOutcome()

    outcomes = race(world.agent, naive)
    assert doubled(outcomes) != []
    assert IntegrityError in raised(outcomes)


def test_of_two_ends_at_once_one_stays(world: World) -> None:
    report(world.agent, run())
    ends = ["succeeded", "failed", "cancelled", "crashed"]
    outcomes = at_once(*(lambda end=end: honest(world.agent, [run(status=end)]) for end in ends))
    assert raised(outcomes) == []
    told = [words(outcome)[0] for outcome in outcomes]
    assert sorted(told) == ["conflict", "conflict", "conflict", "created"]
    assert Run.objects.get().status == ends[told.index("created")]


def test_stub_beside_the_runs_own_report_is_one_run(world: World) -> None:
    def named(number: int) -> Any:
        return stub_run(principal=world.principal, version_id=None, reference=f"r{number}", now=NOW)

    for number in range(5):
        outcomes = at_once(
            lambda number=number: named(number),
            lambda number=number: honest(world.agent, [run(f"r{number}"), step(f"s{number}", f"r{number}")]),
            lambda number=number: named(number),
        )
        assert raised(outcomes) == []
        kept = Run.objects.get(event_id=f"r{number}")
        assert outcomes[0] == outcomes[2] == kept.pk == outcomes[1].results[0].id
        assert not kept.is_stub


def test_batch_that_meets_an_uncommitted_stub_takes_it_over(world: World) -> None:
    begun = Barrier(2)

    def ask() -> Any:
        with transaction.atomic():
            stub = stub_run(principal=world.principal, version_id=None, reference="r1", now=NOW)
            begun.wait(WAIT)
            wait_until_somebody_waits()
            return stub

    def tell() -> IngestOutcome:
        begun.wait(WAIT)
        return honest(world.agent, [run()])

    stub, outcome = at_once(ask, tell)
    assert raised([stub, outcome]) == []
    assert (outcome.results[0].id, words(outcome)) == (stub, ["created"])
    assert not Run.objects.get().is_stub


def wait_until_somebody_waits() -> None:
    """On PostgreSQL, return when another transaction waits for this one; SQLite queues writers by itself."""
    if connection.vendor != "postgresql":
        return
    end = monotonic() + WAIT
    with connection.cursor() as cursor:
        while monotonic() < end:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waited")
