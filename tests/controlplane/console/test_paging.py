"""Lists page by keys: nothing is shown twice or skipped, whatever arrives, leaves, is empty or is the same."""

from __future__ import annotations

import base64
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.models import Entry
from controlplane.console.admins import NEW_SINCE, list_of
from controlplane.console.counting import count_up_to, written
from controlplane.console.cursors import BadCursor, beyond, keys_of, token, values_of
from controlplane.console.map import PAGES
from costs.models import Usage
from registry.models import Agent, Command
from runs.models import Run
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.crowd import multiply
from tests.controlplane.console.full import make_full_scene
from tests.controlplane.console.scene import Scene

pytestmark = pytest.mark.slow


@pytest.fixture
def full(db: None) -> Scene:
    return make_full_scene()


def link(html: str, rel: str) -> str:
    """Return where the pager leads, empty where it does not."""
    found = re.search(rf'<a class="cp-button" href="([^"]+)" rel="{rel}"', html)
    return found[1].replace("&amp;", "&") if found else ""


def shown(html: str) -> list[str]:
    """Return the rows' addresses in order."""
    return re.findall(r'<th class="field-\w+"><a href="(/runs/run/[^"]+/)"', html)


def spread(number: int) -> list[Run]:
    """Insert runs of which every three began at the same instant."""
    first = Run.objects.order_by("pk")[0]
    return list(
        multiply(
            Run, number, lambda place, copy: setattr(copy, "started_at", first.started_at - timedelta(hours=place // 3))
        )
    )


def walk(client: Client, url: str, rel: str) -> list[list[str]]:
    """Follow the pager to its end and return the rows of each page."""
    pages, query = [], ""
    while True:
        html = client.get(f"{url}{query}").content.decode()
        pages.append(shown(html))
        query = link(html, rel)
        if not query:
            return pages


def test_every_row_stands_on_exactly_one_page_and_back_again(full: Scene, visit: Visit) -> None:
    spread(130)
    client, url = visit(full.world.admin), list_of(Run)
    forth = walk(client, url, "next")
    assert [len(page) for page in forth] == [50, 50, 31]
    every = [row for page in forth for row in page]
    assert len(set(every)) == len(every) == 131
    last = client.get(url).content.decode()
    for _ in range(2):
        last = client.get(f"{url}{link(last, 'next')}").content.decode()
    before = client.get(f"{url}{link(last, 'prev')}").content.decode()
    assert shown(before) == forth[1]
    assert shown(client.get(f"{url}{link(before, 'prev')}").content.decode()) == forth[0]


def test_rows_that_arrive_meanwhile_move_nothing(full: Scene, visit: Visit) -> None:
    runs = spread(60)
    client, url = visit(full.world.admin), list_of(Run)
    first = client.get(url).content.decode()
    expected = shown(client.get(f"{url}{link(first, 'next')}").content.decode())
    multiply(Run, 40, lambda place, copy: setattr(copy, "started_at", full.now))
    assert shown(client.get(f"{url}{link(first, 'next')}").content.decode()) == expected
    # The naive twin: with an offset, forty arrivals would show forty rows a second time.
    by_offset = [f"/runs/run/{row.pk}/" for row in Run.objects.all()[50:100]]
    assert by_offset != expected
    assert len(runs) == 60


def test_whoever_comes_back_to_the_top_sees_a_whole_first_page(full: Scene, visit: Visit) -> None:
    spread(60)
    client, url = visit(full.world.admin), list_of(Run)
    first = client.get(url).content.decode()
    second = client.get(f"{url}{link(first, 'next')}").content.decode()
    multiply(Run, 5, lambda place, copy: setattr(copy, "started_at", full.now))
    again = client.get(f"{url}{link(second, 'prev')}").content.decode()
    assert len(shown(again)) == 50
    top = client.get(f"{url}{link(again, 'prev')}").content.decode()
    assert len(shown(top)) == 50
    assert link(top, "prev") == ""


@pytest.mark.parametrize("column", ["-last_seen_at", "last_seen_at", "owner", "-team"])
def test_empty_values_and_relations_have_a_place_in_the_order(full: Scene, column: str) -> None:
    def seen(place: int, copy: Agent) -> None:
        copy.last_seen_at = None if place % 2 else full.now - timedelta(hours=place % 5)

    multiply(Agent, 23, seen)
    rows: QuerySet[Agent] = Agent.objects.select_related("team", "owner")
    keys = keys_of(rows, [column, "-pk"])
    ordered = rows.order_by(*(key.ordering(backwards=False) for key in keys))
    every = list(ordered)
    for place, row in enumerate(every):
        values = values_of(token(row, keys), keys)
        after = ordered.filter(beyond(keys, values, backwards=False))
        before = rows.filter(beyond(keys, values, backwards=True))
        assert list(after) == every[place + 1 :]
        assert set(before) == set(every[:place])


@pytest.mark.parametrize(
    "given",
    [
        "x", "~", "", "W10", base64.urlsafe_b64encode(b'["2026-11-24T10:00:00+00:00"]').decode(),
        base64.urlsafe_b64encode(b'["never","nothing"]').decode(),
        base64.urlsafe_b64encode(b'[["a"],{"b":1}]').decode(),
        base64.urlsafe_b64encode(b"[null,null]").decode(), base64.urlsafe_b64encode(b"[true,1e400]").decode(),
        base64.urlsafe_b64encode(b"[" * 2_900).decode(), "A" * 5_000,
    ],
)  # fmt: skip
def test_a_place_that_is_none_is_refused_and_the_list_shows_itself(full: Scene, visit: Visit, given: str) -> None:
    keys = keys_of(Run.objects.all(), ["-started_at", "-id"])
    with pytest.raises(BadCursor):
        values_of(given, keys)
    client = visit(full.world.admin)
    answer = client.get(list_of(Run), {"after": given}, follow=True)
    assert answer.status_code == 200
    assert len(shown(answer.content.decode())) == 1


def test_numbers_beyond_the_database_are_refused() -> None:
    keys = keys_of(Agent.objects.all(), ["-pk"])
    with pytest.raises(BadCursor):
        values_of(base64.urlsafe_b64encode(b"[123456789012345678901234567890]").decode(), keys)


def test_what_is_new_is_counted_from_the_first_row_shown(full: Scene, visit: Visit) -> None:
    client, url = visit(full.world.admin), list_of(Run)
    place = re.search(r'data-first="([^"]+)"', client.get(url).content.decode())
    assert place is not None
    assert client.get(url, headers={NEW_SINCE: place[1]}).content == b"0"
    multiply(Run, 7, lambda number, copy: setattr(copy, "started_at", full.now))
    assert client.get(url, headers={NEW_SINCE: place[1]}).content == b"7"
    assert client.get(f"{url}?show=open", headers={NEW_SINCE: place[1]}).content == b"0"
    assert client.get(url, headers={NEW_SINCE: "nonsense"}).status_code == 400
    foreign = visit(full.world.stranger).get(url, headers={NEW_SINCE: place[1]})
    assert foreign.content == b"0"


def test_counts_stop_at_their_bound_and_agree_with_the_database(full: Scene) -> None:
    multiply(Command, 30)
    rows = [Command.objects.all(), Command.objects.none(), Command.objects.filter(state="failed"), Run.objects.all()]
    assert count_up_to(rows, 1_000) == [each.count() for each in rows]
    assert count_up_to(rows, 10) == [10, 0, 0, 1]
    assert count_up_to([], 10) == []
    assert (written(999, 1_000), written(1_000, 1_000), written(12_345, 100_000)) == ("999", "999+", "12,345")


def test_lists_survive_what_no_database_takes(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.admin)
    for model in PAGES:
        for name in ("q", "show", "agent", "team", "state__exact", "environment", "actor_type", "after"):
            for value in ("\0", "9" * 30, "a" * 3_000):
                assert client.get(list_of(model), {name: value}, follow=True).status_code < 500, (model, name, value)
    shown = client.get(list_of(Agent), {"q": " ".join(["x"] * 1_000)})
    assert shown.status_code == 200
    assert client.get(list_of(Agent), {"q": " ".join(["job"] * 20)}).content.decode().count("job-applier")


def test_lists_do_not_ask_a_table_which_words_it_holds(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.admin)
    for model in (Entry, Usage):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(list_of(model)).status_code == 200
        assert not [each["sql"] for each in queries if each["sql"].startswith("SELECT DISTINCT")]
    kept = client.get(list_of(Entry), {"actor_type": "system"}).context["cl"].result_list
    assert {row.actor_type for row in kept} <= {"system"}
