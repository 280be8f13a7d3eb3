"""Every route of API and console, driven by somebody who may: rows changed, so an entry stands beside them."""

from __future__ import annotations

import pytest
from django.db import transaction

from tests.matrix.asking import Asker
from tests.matrix.routes import routes
from tests.matrix.rows import METHODS, OWN, PEOPLE, READING, Row
from tests.matrix.table import TABLE
from tests.trail.counting import install, watching

ROUTES = [route for route in routes() if route.path in TABLE]
WRITES = tuple(method for method in METHODS if method not in {*READING, "OPTIONS"})


def drivers(row: Row, method: str) -> list[str]:
    """Return the callers who may."""
    rule = row.rules.get(method)
    if rule is None:
        return []
    if row.door == "key" or (row.door == "both" and method not in READING):
        return ["key"]
    return [name for name in PEOPLE if name in rule.may]


def driven(method: str, row: Row) -> bool:
    """Say whether the row is driven by a method: somebody may, and it is expected to be done."""
    rule = row.rules.get(method)
    return rule is not None and rule.done < 400 and bool(drivers(row, method))


@pytest.mark.slow
@pytest.mark.parametrize("route", ROUTES, ids=[route.path or "/" for route in ROUTES])
def test_changes_of_a_route_are_in_the_trail(asker: Asker, route: object) -> None:
    install()
    row = TABLE[route.path]  # type: ignore[attr-defined]
    silent = {}
    for method in METHODS:
        if not driven(method, row):
            continue
        for caller in drivers(row, method):
            body = asker.fill(route, row, OWN) if row.fills and method == "POST" else None  # type: ignore[arg-type]
            with transaction.atomic():
                with watching() as watch:
                    asker.send(route, row, method, caller, OWN, body=body)  # type: ignore[arg-type]
                transaction.set_rollback(True)
            if watch.silent:
                silent[f"{method} as {caller}"] = watch.silent
    assert silent == {}
