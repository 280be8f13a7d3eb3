"""Every page asks the database a recorded number of questions, with ten rows and with a thousand."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from controlplane.console.map import PAGES
from tests.controlplane.console.budgets import BUDGETS
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.crowd import grow, multiply
from tests.controlplane.console.everywhere import Place, places
from tests.controlplane.console.full import make_full_scene
from tests.controlplane.console.scene import Scene

FEW, MANY = 10, 990


@pytest.fixture
def full(db: None) -> Scene:
    return make_full_scene()


def asked(client: Client, place: Place) -> int | None:
    """Count the queries of one page; None for what is no page, or none of this person's."""
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(place.url)
    shows = answer.status_code == 200 and answer.headers.get("Content-Type", "").startswith("text/html")
    return len(queries) if shows else None


def measure(client: Client, wanted: list[Place]) -> dict[str, int]:
    """Count the queries of every page that shows something."""
    found = {place.name: asked(client, place) for place in wanted}
    return {name: number for name, number in found.items() if number is not None}


def table(numbers: dict[str, int]) -> str:
    """Write the numbers as the table holds them."""
    return "\n".join(f'    "{name}": {number},' for name, number in sorted(numbers.items()))


@pytest.mark.once
@pytest.mark.slow
def test_every_page_keeps_its_recorded_budget_whatever_it_holds(full: Scene, visit: Visit) -> None:
    client = visit(full.world.admin)
    wanted = places()
    grow(list(PAGES), FEW)
    # What a process remembers (content types, a parser's tables) is there before anything is counted.
    measure(client, wanted)
    few = measure(client, wanted)
    counts = grow(list(PAGES), MANY)
    assert min(counts.values()) >= FEW + MANY, counts
    many = measure(client, wanted)
    assert {name: (few[name], many.get(name)) for name in few if few[name] != many.get(name)} == {}
    assert many == dict(BUDGETS), f"the table in budgets.py would be:\n{table(many)}"


def test_a_page_that_asks_once_for_each_row_is_caught(full: Scene, visit: Visit) -> None:
    """The planted twin: a column that reads a relation which the list does not join."""
    from_the_list = PAGES[next(model for model in PAGES if model.__name__ == "Command")]
    client, place = visit(full.world.admin), Place("commands", "/registry/command/")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(from_the_list, "related", ("agent",))
        patch.setattr(from_the_list, "list_display", ("kind", "agent", "requested_by"))
        multiply(next(model for model in PAGES if model.__name__ == "Command"), 2)
        few = asked(client, place)
        multiply(next(model for model in PAGES if model.__name__ == "Command"), 8)
        many = asked(client, place)
    assert few is not None
    assert many is not None
    assert many > few
