"""Pages: together they are the list, and they stand still while rows come and go."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from audit import sql
from registry.operations import save_agent
from tests.controlplane.api.callers import every_page, person, problem, rows
from tests.world import World, make_agent

pytestmark = pytest.mark.slow


def _more_agents(world: World, count: int) -> None:
    for number in range(count):
        # Half of them share a name, so that pages must not lean on it alone.
        make_agent(
            f"a{number:02}",
            owner=world.owner,
            team=world.team,
            by=world.admin,
            now=sql.now(),
            name=f"Name {number // 4}",
        )


@pytest.mark.parametrize("ordering", ["slug", "-slug", "name", "-name", "created_at", "-created_at"])
def test_pages_together_are_the_list_whatever_the_ordering(world: World, ordering: str) -> None:
    _more_agents(world, 13)
    caller = person(world.admin)
    whole = rows(caller.get(f"/agents?ordering={ordering}"))
    assert len(whole) == 14
    assert every_page(caller, f"/agents?ordering={ordering}&page_size=3") == whole
    column = ordering.removeprefix("-")
    assert [row[column] for row in whole] == sorted((row[column] for row in whole), reverse=ordering[0] == "-")


def test_pages_stand_still_while_rows_come_and_go(world: World) -> None:
    _more_agents(world, 6)
    caller = person(world.admin)
    first = caller.get("/agents?page_size=4&team=talent")
    assert [row["slug"] for row in rows(first)] == ["a00", "a01", "a02", "a03"]
    make_agent("a000", owner=world.owner, team=world.team, by=world.admin, now=sql.now())
    make_agent("a99", owner=world.owner, team=world.team, by=world.admin, now=sql.now())
    save_agent(slug="a01", name="Moved", owner=world.owner, team=world.other, by=world.admin, now=sql.now())
    rest = every_page(caller, first.json()["next"])
    assert [row["slug"] for row in rest] == ["a04", "a05", "a99", "job-applier"]


def test_a_cursor_belongs_to_its_ordering_and_opens_nothing_else(world: World) -> None:
    _more_agents(world, 3)
    following = person(world.admin).get("/agents?page_size=2").json()["next"]
    problem(person(world.admin).get(following + "&ordering=-name"), 400, "bad_query")
    assert rows(person(world.stranger).get(following)) == []


@pytest.mark.parametrize("ordering", ["slug", "-created_at"])
@pytest.mark.parametrize(
    "place",
    [
        [],
        [None, 1],
        ["", 1],
        ["a\x00", 1],
        [1, "x"],
        [{}, 1],
        [True, 1],
        [1.5, 1],
        ["x", None],
        ["2026-01-01T00:00:00", 1],
        [10**30, 10**30],
    ],
)
def test_a_cursor_that_is_made_up_is_refused_or_finds_its_place(world: World, ordering: str, place: list[Any]) -> None:
    token = urlsafe_b64encode(json.dumps([ordering, *place]).encode()).decode()
    answer = person(world.admin).get(f"/agents?ordering={ordering}&cursor={token}")
    if answer.status_code != 200:
        problem(answer, 400, "bad_query")
