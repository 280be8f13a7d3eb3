"""A database that refuses, a trail or a limiter that cannot be written: 503 with `Retry-After`, never an allow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper

from tests.badinput.refusing import nothing_written, refused
from tests.badinput.routes import READING, WRITING, Route, every_route
from tests.badinput.samples import NOWHERE, SAMPLES
from tests.controlplane.api.callers import agent, person
from tests.controlplane.api.scene import Scene
from tests.ports import free_port

pytestmark = pytest.mark.slow

ROUTES = sorted({*every_route(WRITING), *every_route(READING)})


def _with_refused_connection(call: Callable[[], Any]) -> Any:
    """Run a call in a thread of its own, whose connection goes to a PostgreSQL that is not there."""
    answers: list[Any] = []
    known = connections.settings["default"]
    gone = {
        **known, "ENGINE": "django.db.backends.postgresql", "NAME": "gone", "HOST": "127.0.0.1",
        "PORT": free_port(), "USER": "x", "PASSWORD": "x", "OPTIONS": {"connect_timeout": 2},
    }  # fmt: skip

    def run() -> None:
        connections["default"] = _wrapper(gone)
        try:
            answers.append(call())
        finally:
            del connections["default"]

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=60)
    assert answers, "the call did not end"
    return answers[0]


def _wrapper(options: dict[str, Any]) -> Any:
    return DatabaseWrapper(options, alias="default")


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_refused_connection_is_unavailable(scene: Scene, route: Route) -> None:
    by_key = route.described["security"] == [{"agentKey": []}]
    caller = agent(scene.world.text) if by_key else person(scene.world.admin)
    path = route.fill({name: NOWHERE[kind] for name, kind in route.variables.items()})
    body = {} if route in SAMPLES and route.body is not None else None
    answer = _with_refused_connection(lambda: caller.send(route.method, path, body))
    refused(answer, 503, "unavailable", family="no database")
    assert b"127.0.0.1" not in answer.content


@pytest.mark.parametrize("table", ["audit_entry", "policies_decision", "approvals_grant", "costs_"])
def test_an_ask_whose_trail_or_ledger_cannot_be_written_is_never_allowed(scene: Scene, table: str) -> None:
    route = Route("POST", "api/v1/actions")
    sample = SAMPLES[route]
    call = sample.make(scene)
    broken = []

    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.lstrip().upper().startswith(("INSERT", "UPDATE")) and table in sql:
            broken.append(sql)
            raise OperationalError("disk I/O error")
        return execute(sql, *rest)

    with nothing_written(), connection.execute_wrapper(fail):
        answer = sample.caller(scene).send(route.method, route.fill({}), call.body, **call.headers)
        found = refused(answer, 503, "unavailable", family="no ledger")
    assert broken
    assert "disk" not in str(found)


@pytest.mark.parametrize("route", [each for each in SAMPLES if not each.path.endswith("simulate")], ids=str)
def test_a_write_whose_trail_cannot_be_written_does_not_happen(scene: Scene, route: Route) -> None:
    sample = SAMPLES[route]
    call = sample.make(scene)
    caller = sample.caller(scene)

    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        if "INSERT" in sql[:20].upper() and "audit_entry" in sql:
            raise OperationalError("the server closed the connection")
        return execute(sql, *rest)

    with nothing_written(), connection.execute_wrapper(fail):
        answer = caller.send(route.method, route.fill(call.values), call.body, **call.headers)
        refused(answer, 503, "unavailable", family="no trail")
