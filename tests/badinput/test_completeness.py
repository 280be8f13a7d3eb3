"""Every write has a good sample, every good sample is accepted, and nothing else below ``/api/`` takes a write."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from django.urls import path

from controlplane.api.machines import MachineView
from tests.badinput.refusing import contents
from tests.badinput.routes import PLAIN, WRITING, Route, every_route, plain_views
from tests.badinput.samples import SAMPLES
from tests.controlplane.api.callers import problem
from tests.controlplane.api.scene import Scene

UNCHANGING = {"policies/simulate": "judges a made-up action and keeps nothing"}


def _unsampled(routes: Iterable[Route]) -> set[Route]:
    return set(routes) - set(SAMPLES)


def test_every_write_of_the_api_has_a_sample() -> None:
    routes = set(every_route(WRITING))
    assert len(routes) > 20
    assert _unsampled(routes) == set(), "add a good request to tests/badinput/samples.py"
    assert set(SAMPLES) - routes == set(), "the address is gone"


def test_a_write_without_a_sample_is_noticed() -> None:
    class Forgotten(MachineView):
        def post(self, request: object) -> None:
            """Do anything."""

    added = [path("api/v1/forgotten", Forgotten.as_view())]
    assert _unsampled(every_route(WRITING, added)) == {Route("POST", "api/v1/forgotten")}


def test_nothing_else_below_the_api_is_a_view_of_its_own() -> None:
    assert set(plain_views()) == PLAIN


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PLAIN))
def test_plain_views_take_no_writes(scene: Scene, name: str) -> None:
    caller = SAMPLES[Route("POST", "api/v1/actions")].caller(scene)
    address = "/api/v1/any/thing" if name == "nothing" else f"/api/{name}"
    for method in WRITING:
        problem(caller.send(method, address, {}), 404 if name == "nothing" else 405)


@pytest.mark.slow
@pytest.mark.parametrize("route", SAMPLES, ids=str)
def test_a_good_request_is_accepted_and_changes_something(scene: Scene, route: Route) -> None:
    sample = SAMPLES[route]
    call = sample.make(scene)
    before = contents()
    answer = sample.caller(scene).send(route.method, route.fill(call.values), call.body, **call.headers)
    assert answer.status_code in {200, 201, 204}, answer.content
    assert str(answer.status_code) in route.described["responses"]
    assert answer.status_code == 204 or answer["Content-Type"] == "application/json"
    changed = contents() != before
    assert changed != any(route.path.endswith(end) for end in UNCHANGING)
