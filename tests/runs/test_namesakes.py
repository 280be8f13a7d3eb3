"""Many runs with one external id: the newest counts, and the others are not read."""

from __future__ import annotations

import gc
from time import process_time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.ids import new_id
from registry.models import Agent
from runs.models import Run, Step
from runs.operations import stub_run
from runs.operations.ledger import Ledger
from runs.preparing import PreparedStep, prepare_step
from runs.states import RunSource
from runs.wire import read_step
from tests.runs.reports import report, run, source, step, words
from tests.world import NOW, World, make_world


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def newest_of(agent: Agent, number: int, **said: Any) -> Run:
    """Report runs one after the other, all with the external id ``E``; return the last."""
    for turn in range(number):
        report(agent, run(f"e{turn}", external_id="E", **said))
    return Run.objects.get(event_id=f"e{number - 1}")


def loaded(agent: Agent, *names: str) -> Ledger:
    """Return a ledger into which was read what steps of the named runs are about."""
    steps = [prepare_step(read_step(_body(name)), now=NOW, may_backfill=False) for name in names]
    ledger = Ledger(source=source(agent), origin=RunSource.API, now=NOW)
    ledger.load([], [item for item in steps if isinstance(item, PreparedStep)])
    return ledger


def _body(name: str) -> dict[str, Any]:
    return {key: value for key, value in step(f"of-{name}", name).items() if key != "type"}


@pytest.mark.postgres_smoke
def test_only_the_newest_namesake_is_read(world: World) -> None:
    newest = newest_of(world.agent, 3)
    report(world.agent, run("other", external_id="F"))
    ledger = loaded(world.agent, "E", "F", "nobody")
    assert ledger.find("E") == newest
    assert ledger.find("F") == Run.objects.get(event_id="other")
    assert ledger.find("nobody") is None
    assert [ledger.find(name) for name in ("e0", "e1")] == [None, None]
    assert loaded(world.agent, "E", "e0").find("e0") == Run.objects.get(event_id="e0")


@pytest.mark.postgres_smoke
def test_what_names_several_runs_goes_to_the_newest(world: World) -> None:
    newest = newest_of(world.agent, 3)
    report(world.agent, step("s", "E"), run("child", parent_run_id="E"))
    assert Step.objects.get().run_id == newest.pk
    assert Run.objects.get(event_id="child").parent_run == newest.pk
    assert stub_run(principal=world.principal, version_id=None, reference="E", now=NOW) == newest.pk


def test_an_event_id_comes_before_the_newest_external_id(world: World) -> None:
    report(world.agent, run("E"))
    first = Run.objects.get()
    newest_of(world.agent, 2)
    report(world.agent, step("s", "E"))
    assert Step.objects.get().run_id == first.pk
    assert stub_run(principal=world.principal, version_id=None, reference="E", now=NOW) == first.pk


def test_a_step_stays_with_its_run_when_another_takes_the_name(world: World) -> None:
    report(world.agent, run("e-first", external_id="E"), step("s", "E", status="running", duration_ms=None))
    first = Run.objects.get()
    newest_of(world.agent, 1)
    assert words(report(world.agent, step("s", "E"))) == ["conflict"]
    assert Step.objects.get().run_id == first.pk


def test_asking_for_a_run_sorts_no_whole_rows(world: World) -> None:
    newest_of(world.agent, 2)
    principal = world.principal
    with CaptureQueriesContext(connection) as asked:
        stub_run(principal=principal, version_id=None, reference="E", now=NOW)
    assert [query["sql"] for query in asked if "output_summary" in query["sql"]] == []


@pytest.mark.slow
def test_thousands_of_namesakes_cost_a_later_report_little(world: World) -> None:
    newest_of(world.agent, 1)
    (first,) = Run.objects.all()
    rows = []
    for number in range(3000):
        namesake = Run.objects.get(pk=first.pk)
        namesake.pk, namesake.event_id, namesake.output_summary = new_id(), f"n{number}", "o" * 4000
        rows.append(namesake)
    Run.objects.bulk_create(rows)
    # Collecting what thousands of tests left behind is no part of it.
    gc.disable()
    try:
        begun = process_time()
        with CaptureQueriesContext(connection) as asked:
            report(world.agent, step("s", "E"))
        took = process_time() - begun
    finally:
        gc.enable()
    assert Step.objects.get().run_id == rows[-1].pk
    assert took < 0.2
    assert len(asked) < 30
