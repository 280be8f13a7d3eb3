"""The table itself: complete, without a row too many, and able to catch what it is there for."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path

from tests.matrix.asking import Asker
from tests.matrix.routes import routes
from tests.matrix.rows import CALLERS, page
from tests.matrix.table import ROWS, TABLE

_SAY = (
    "Add one line for each to a module in tests/matrix/table: page(path, 'agent'), listing(path), "
    "dialog(path, 'agent', may='admin operator'), reads(path, 'run'), acts(…), by_key(…), anybody(path). "
    "tests/matrix/rows.py has the words, tests/matrix/places.py the objects."
)


def test_every_route_has_a_row() -> None:
    without = [route.path for route in routes() if route.path not in TABLE]
    assert without == [], _SAY


def test_every_row_has_a_route() -> None:
    known = {route.path for route in routes()}
    assert [row.path for row in ROWS if row.path not in known] == [], "take these rows away"
    assert len(TABLE) == len(ROWS), "a route stands in two rows"


@pytest.mark.slow
def test_count_of_cells(capsys: pytest.CaptureFixture[str]) -> None:
    cells = sum(row.cells for row in ROWS)
    with capsys.disabled():
        print(f"\npermission matrix: {len(ROWS)} routes × 7 methods × {len(CALLERS)} callers × objects = {cells} cells")
    assert cells > 10_000


def _open(_request: HttpRequest, object_id: str) -> HttpResponse:
    return HttpResponse(f"object {object_id}")


@pytest.mark.slow
def test_a_route_without_a_check_is_caught(asker: Asker) -> None:
    """The naive twin: a view that asks nobody who they are."""
    module = ModuleType("tests.matrix.unchecked")
    module.urlpatterns = [  # type: ignore[attr-defined]
        path("registry/agent/<str:object_id>/peek/", _open),
        path("", include("controlplane.urls")),
    ]
    sys.modules[module.__name__] = module
    try:
        with override_settings(ROOT_URLCONF=module.__name__):
            route = next(each for each in routes() if each.path.endswith("peek/"))
            assert route.path not in TABLE, "the completeness test names it"
            row = page(route.path, "agent")
            wrong = [
                (caller, whose)
                for caller in CALLERS
                for whose in row.objects
                if asker.ask(route, row, "GET", caller, whose).status_code != row.expected("GET", caller, whose)
            ]
    finally:
        del sys.modules[module.__name__]
    assert {("nobody", "own"), ("key", "own"), ("operator", "sibling"), ("reviewer", "own"), ("gone", "own")} <= set(
        wrong
    )
