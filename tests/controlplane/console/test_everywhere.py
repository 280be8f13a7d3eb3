"""What is looked at is everything: no page is left out for want of a row, or because it is closed to whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import get_resolver, path

from tests.controlplane.console.asked import ASKED
from tests.controlplane.console.everywhere import EXEMPT, Place, patterns, places, unreachable
from tests.controlplane.console.looking import Looker
from tests.controlplane.console.occasions import make_everything
from tests.controlplane.console.scene import Scene
from tests.world import built_once

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def _built(django_db_setup: None, django_db_blocker: Any) -> Iterator[Scene]:
    with built_once(make_everything, django_db_blocker) as made:
        yield made


@pytest.fixture
def everything(_built: Scene, db: None) -> Scene:
    return _built


def planted(request: HttpRequest, number: int = 0) -> HttpResponse:
    """A page that somebody adds."""
    return HttpResponse("planted")


def test_every_page_has_somebody_to_whom_it_shows_itself(everything: Scene) -> None:
    assert unreachable() == set(EXEMPT)
    looker = Looker()
    assert {place.name: seen for place in places() if (seen := looker.closed(place))} == {}


def test_the_tables_name_nothing_that_is_gone() -> None:
    assert set(EXEMPT) | set(ASKED) <= {name for name, _ in patterns()}


@pytest.mark.parametrize("address", ["planted/<int:number>/", "planted/<str:object_id>/"])
@pytest.mark.parametrize("name", ["planted", None])
def test_a_page_without_a_row_is_caught(everything: Scene, address: str, name: str | None) -> None:
    """The planted twin: an address that nothing is known for."""
    grown = [*get_resolver().url_patterns, path(address, planted, name=name)]
    assert unreachable(grown) == {*EXEMPT, name or address}


def test_a_page_that_is_closed_to_whoever_asks_is_caught(everything: Scene) -> None:
    """The planted twin: refused, missing, led elsewhere, and no page at all."""
    wanted = {place.name: place for place in places()}
    approve = wanted["admin:approvals_approvalrequest_approve"]
    looker = Looker()
    assert looker.closed(approve) == ""
    assert looker.closed(Place("as somebody else", approve.url)) == "403"
    assert looker.closed(Place("without its words", approve.url.partition("?")[0], approve.who)) == "412"
    assert looker.closed(Place("nowhere", "/runs/run/nothing/")) == "404"
    assert looker.closed(Place("elsewhere", "/account/app/")) == "302"
    assert looker.closed(Place("no page", "/healthz")) == "text/plain"
