"""What agents hand over is read by those of section 12, and each reading stands in the trail."""

from __future__ import annotations

from uuid import UUID

import pytest

from audit.models import Entry
from tests.matrix.asking import Asker
from tests.matrix.places import MARKER
from tests.matrix.routes import Route, routes
from tests.matrix.rows import CALLERS, Row
from tests.matrix.table import TABLE

_HELD = "approvals/approvalrequest/<str:object_id>/"
_STEP = "runs/run/<str:object_id>/step/"
_CALL = "aap/v1/requests/<uuid:request_id>"
# Who may meet a payload, where: the owner in its team always, reviewers while the request is open (everybody of the
# own team's people is one of its queue), administrators behind the glass, which is a POST.
MAY_READ: dict[tuple[str, str], frozenset[str]] = {
    **dict.fromkeys(
        ((_HELD, "own"), (_HELD + "edit/", "own"), ("api/v1/approvals/<uuid:id>", "own")),
        frozenset({"operator", "owner", "reviewer", "superuser"}),
    ),
    ("api/v1/runs/<str:run>/steps/<uuid:id>", "own"): frozenset({"owner"}),
    (_STEP, "own"): frozenset({"owner"}),
    # An agent gets back what it submitted itself; that is no reading of it.
    (_CALL, "own"): frozenset({"key"}),
}
READS = [route for route in routes() if route.path in TABLE and "GET" in TABLE[route.path].rules]


class Entries:
    """The trail, as it stood when it was last looked at."""

    seen: set[UUID]

    def look(self) -> None:
        self.seen = set(Entry.objects.values_list("pk", flat=True))


def met(asker: Asker, route: Route, row: Row) -> tuple[set[tuple[str, str]], list[str]]:
    """Return who met the marker on a route, and which of these readings left no entry."""
    found, silent, entries = set(), [], Entries()
    for caller in CALLERS:
        if row.expected("GET", caller, "own") >= 400:
            continue
        for whose in row.objects:
            before = set(Entry.objects.values_list("pk", flat=True))
            answer = asker.ask(route, row, "GET", caller, whose, after=entries.look)
            noted = entries.seen - before
            if MARKER.encode() in answer.told:
                found.add((caller, whose))
                if not noted and route.path != _CALL:
                    silent.append(f"{caller} on {whose}")
    return found, silent


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize("route", READS, ids=[route.path or "/" for route in READS])
def test_payloads_are_read_by_nobody_else(asker: Asker, route: Route) -> None:
    row = TABLE[route.path]
    found, silent = met(asker, route, row)
    foreign = {(caller, whose) for caller, whose in found if caller not in MAY_READ.get((route.path, whose), set())}
    assert foreign == set(), f"{route.path} shows a payload"
    assert silent == [], f"{route.path} shows a payload and notes nothing"
    expected = {(caller, whose) for (path, whose), callers in MAY_READ.items() if path == route.path
                for caller in callers}  # fmt: skip
    assert found == expected


@pytest.mark.once
@pytest.mark.slow
def test_whoever_breaks_the_glass_is_noted(asker: Asker) -> None:
    route = next(each for each in READS if each.path == _STEP)
    row, noted = TABLE[_STEP], []
    answer = asker.ask(
        route, row, "POST", "admin", "own", body={"reason": "an incident"},
        after=lambda: noted.append(Entry.objects.latest("id")),
    )  # fmt: skip
    assert MARKER.encode() in answer.told
    assert (noted[0].actor_id, noted[0].outcome != "") == ("admin", True)
    assert "an incident" in noted[0].details
    without = asker.ask(route, row, "POST", "admin", "own", body={"reason": ""})
    assert (without.status_code, MARKER.encode() in without.told) == (422, False)
