"""Every route that changes something does so at least once, and leaves its entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse

from tests.matrix.asking import Asker
from tests.matrix.routes import Route, routes
from tests.matrix.rows import METHODS, OWN, READING, Row
from tests.matrix.table import TABLE
from tests.trail.counting import Watch, install, watching
from tests.trail.occasions import OCCASIONS
from tests.trail.test_requests import drivers

ROUTES = {route.path: route for route in routes() if route.path in TABLE}
_NOWHERE = "it leads nowhere"
_READS = "it reads, whatever the method"
# What never succeeds in changing something, and why. There is no other list.
EXEMPT: dict[str, str] = {
    r"api/^(?P<rest>[\s\S]*)$": _NOWHERE,
    r"aap/^(?P<rest>[\s\S]*)$": _NOWHERE,
    "r/<path:content_type_id>/<path:object_id>/": _NOWHERE,
    # The apps that have pages.
    next(path for path in ROUTES if path.startswith("^(?P<app_label>")): _NOWHERE,
    "": _READS,
    "home/": _READS,
    "search/": _READS,
    "api/v1/policies/simulate": "it judges a made-up action and keeps nothing",
    "policies/revision/do/try/": "likewise",
    "registry/verb/<str:object_id>/try/": "it shows what a verb takes from a payload",
    "account/prove/password/": "it changes one's own session alone: tests/controlplane/accounts/test_factors.py",
    "account/prove/code/": "likewise",
    "account/prove/passkey/": "likewise; it takes a browser with a key: tests/controlplane/accounts/test_in_browser.py",
    "login/passkey/": "it takes a browser with a key: tests/controlplane/accounts/test_in_browser.py",
    "account/passkey/": "likewise",
    "login/provider/": "it takes an identity provider: tests/controlplane/accounts/test_provider.py",
}


def mutating() -> list[tuple[str, str]]:
    """Return method and path of what may change something; of a page that answers all methods alike, one."""
    found = []
    for path in ROUTES:
        rules = TABLE[path].rules
        methods = [method for method in METHODS if method in rules and method not in {*READING, "OPTIONS"}]
        alike = len(methods) == 4 and len({id(rules[method]) for method in methods}) == 1
        found += [(method, path) for method in (methods[:1] if alike else methods)]
    # Doors that lead on whoever is in: only their POST opens something.
    doors = {("PUT", "login/"), ("PATCH", "login/"), ("DELETE", "login/")}
    return [each for each in found if each[1] not in EXEMPT and each not in doors]


MUTATING = mutating()


def drive(send: Callable[[], Any]) -> tuple[Any, Watch]:
    """Send, take it back, and return the answer and what was seen."""
    with transaction.atomic():
        with watching() as watch:
            answer = send()
        transaction.set_rollback(True)
    return answer, watch


def fault(answer: Any, watch: Watch) -> str:
    """Say what keeps this from being a change that left its entry; empty if nothing does."""
    if answer.status_code >= 400:
        return f"answered {answer.status_code}"
    if watch.silent:
        return f"changed without an entry: {watch.silent}"
    return "" if sum(each.entries for each in watch.transactions) else "left no entry"


def by_table(asker: Asker, method: str, route: Route, row: Row) -> dict[str, str]:
    """Drive a row as each who may, until one succeeds; return what kept the others from it."""
    faults = {}
    for caller in drivers(row, method):
        body = asker.fill(route, row, OWN) if row.fills and method == "POST" else None
        found = fault(*drive(lambda who=caller, sent=body: asker.send(route, row, method, who, OWN, body=sent)))
        if not found:
            return {}
        faults[caller] = found
    return faults or {"nobody": "nobody may"}


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), MUTATING, ids=[f"{method} {path or '/'}" for method, path in MUTATING])
def test_a_change_succeeds_and_leaves_its_entry(asker: Asker, method: str, path: str) -> None:
    install()
    occasion = OCCASIONS.get((method, path))
    if occasion is None:
        faults = by_table(asker, method, ROUTES[path], TABLE[path])
        assert faults == {}, "give it an occasion in tests/trail/occasions.py, or say in EXEMPT why it changes nothing"
        return
    with transaction.atomic():
        found = fault(*drive(occasion(asker)))
        transaction.set_rollback(True)
    assert not found


def test_count_of_changes(capsys: pytest.CaptureFixture[str]) -> None:
    paths = {path for _, path in MUTATING}
    with capsys.disabled():
        print(
            f"\ntrail: {len(MUTATING)} changes by {len(paths)} routes succeed, {len(OCCASIONS)} of them on an occasion "
            f"made for them; {len(EXEMPT)} routes are exempt"
        )
    assert set(OCCASIONS) - set(MUTATING) == set(), "the address is gone"
    assert set(EXEMPT) - set(ROUTES) == set(), "the address is gone"
    assert len(MUTATING) > 120


@pytest.mark.slow
def test_a_route_that_never_succeeds_is_caught(asker: Asker) -> None:
    """Planted: an answer that refuses, one that changes nothing, and one that changes without a word."""
    install()
    agents = asker.places.own.things["agent"]._meta.default_manager  # type: ignore[attr-defined]

    def silently() -> HttpResponse:
        agents.filter(slug="own-agent").update(purpose="another")
        return HttpResponse()

    assert fault(*drive(lambda: HttpResponse(status=409))) == "answered 409"
    assert fault(*drive(HttpResponse)) == "left no entry"
    assert "registry_agent UPDATE" in fault(*drive(silently))
