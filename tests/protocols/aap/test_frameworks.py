"""Agents of three frameworks, each in a process of its own, through their published middleware, without a network.

Their model is a stub that calls one tool and then repeats what came back, so that its last words show what a real
model would have been told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from approvals.models import Grant
from approvals.states import Verdict
from policies.models import Decision
from tests.protocols.aap.scene import decide, make_world
from tests.protocols.aap.serving import Station, waiting
from tests.world import World

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def served() -> World:
    """A world that other threads and processes see."""
    return make_world()


@pytest.fixture(params=["langgraph", "openai", "pydantic"])
def station(request: Any, served: World, live_server: Any, tmp_path: Path) -> Station:
    """Where agents are started."""
    return Station(request.param, f"{live_server.url}/aap", served.text, tmp_path)


def _states() -> list[str]:
    return list(Grant.objects.values_list("state", flat=True))


def test_who_waits_runs_what_people_approve(station: Station, served: World) -> None:
    process = station.start()
    decide(waiting(), served)
    assert "The tool ran." in process.end()["final"]
    assert (len(station.effects), _states()) == (1, ["succeeded"])


def test_who_waits_is_told_what_people_reject(station: Station, served: World) -> None:
    process = station.start()
    decide(waiting(), served, Verdict.REJECT, "Not on a Sunday.")
    assert "Not on a Sunday." in process.end()["final"]
    assert station.effects == []


def test_a_run_goes_on_after_restarts_and_runs_the_call_once(station: Station, served: World) -> None:
    assert station.run(mode="async")["waits_for"]
    request = waiting()
    # Woken too early, by whomever: it asks again, and waits again.
    assert station.run(mode="async", wake=request)["waits_for"]
    assert (station.effects, Decision.objects.count()) == ([], 1)
    decide(request, served)
    for process in [station.start(mode="async", wake=request) for _ in range(2)]:
        process.end()
    assert (len(station.effects), _states()) == (1, ["succeeded"])
    # Woken once more: the run is over, or is told that the call was started before.
    station.run(mode="async", wake=request)
    assert (len(station.effects), Decision.objects.count(), Grant.objects.count()) == (1, 1, 1)
