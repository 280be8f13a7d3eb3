"""Every route × method × caller × {own, sibling team's, missing}, against the table."""

from __future__ import annotations

from typing import Any

import pytest

from tests.matrix.asking import Asker, same
from tests.matrix.routes import Route, routes
from tests.matrix.rows import CALLERS, METHODS, MISSING, OWN, SIBLING, Row
from tests.matrix.table import TABLE

ROUTES = routes()


def row_of(route: Route) -> Row:
    """Return the route's row.

    Raises:
        AssertionError: there is none; it says what to write.
    """
    row = TABLE.get(route.path)
    assert row is not None, (
        f"The route {route.path!r} stands in no row of the permission table. Say who may: add one line to a module in "
        f"tests/matrix/table, for example page({route.path!r}, 'agent') or dialog({route.path!r}, 'agent', "
        "may='admin operator'); the words are in tests/matrix/rows.py, the objects in tests/matrix/places.py."
    )
    return row


def why(answer: Any) -> str:
    """Return what a page says about a form that it does not take, or about its refusal."""
    context = getattr(answer, "context", None) or {}
    form, refusal = context.get("form"), context.get("refusal")
    return f"({dict(form.errors)})" if getattr(form, "errors", None) else f"({refusal!r})" if refusal else ""


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize("route", ROUTES, ids=[route.path or "/" for route in ROUTES])
def test_route(asker: Asker, route: Route) -> None:
    row, wrong, checked = row_of(route), [], 0
    for method in METHODS:
        bodies = {whose: asker.fill(route, row, whose) for whose in row.objects} if method == "POST" else {}
        for caller in CALLERS:
            answers = {}
            for whose in row.objects:
                body = bodies.get(whose) if row.fills else None
                answer = answers[whose] = asker.ask(route, row, method, caller, whose, body=body)
                expected = row.expected(method, caller, whose)
                checked += 1
                if answer.status_code != expected:
                    found = f"{answer.status_code} {why(answer)}".strip()
                    wrong.append(f"{method} as {caller} on {whose}: {found}, the table says {expected}")
            hidden = [whose for whose in (SIBLING, MISSING) if whose in answers and answers[whose].status_code == 404]
            if len(hidden) == 2 and not same(answers[SIBLING], answers[MISSING]):
                wrong.append(f"{method} as {caller}: foreign and missing answer differently")
    assert wrong == [], f"{route.path}:\n" + "\n".join(wrong)
    assert checked == row.cells
    assert OWN in row.objects
