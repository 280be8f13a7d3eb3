"""Errors of every kind are problem documents on every API path, and tell nothing they should not."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import override_settings

from policies.models import Decision
from tests.controlplane.api.callers import agent, nobody, person, problem
from tests.controlplane.api.scene import FORM
from tests.world import World

BROKEN = override_settings(ROOT_URLCONF="tests.controlplane.api.broken_urls")


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("kind", ["drf", "plain"])
@pytest.mark.parametrize(
    ("cause", "status", "code"),
    [
        ("bug", 500, "internal_error"),
        ("operational", 503, "unavailable"),
        ("interface", 503, "unavailable"),
        ("denied", 403, "forbidden"),
        ("missing", 404, "not_found"),
        ("suspicious", 400, "malformed"),
    ],
)
@BROKEN
def test_whatever_breaks_is_a_problem_document(debug: bool, kind: str, cause: str, status: int, code: str) -> None:
    with override_settings(DEBUG=debug):
        answer = nobody().get(f"/api/{kind}/{cause}")
    problem(answer, status, code)
    assert b"secret" not in answer.content
    if status == 503:
        assert int(answer["Retry-After"]) >= 1


@BROKEN
def test_an_error_page_of_a_view_becomes_a_problem_document() -> None:
    problem(nobody().get("/api/page"), 403, "forbidden")


@BROKEN
def test_other_paths_keep_their_error_pages() -> None:
    answer = nobody().client.get("/elsewhere/missing")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "path",
    ["/api/", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/agents/", "/api/v2/agents", "/api/v1/audit/no-id"],
)
def test_unknown_addresses_are_missing_for_everybody(ruled: World, debug: bool, path: str) -> None:
    with override_settings(DEBUG=debug):
        for caller in (nobody(), agent(ruled.text), person(ruled.admin)):
            problem(caller.get(path), 404, "not_found")
            problem(caller.send("POST", path, {}), 404, "not_found")


@pytest.mark.parametrize("debug", [False, True])
def test_a_foreign_host_is_a_problem_document(debug: bool) -> None:
    with override_settings(DEBUG=debug, ALLOWED_HOSTS=["console.example.com"]):
        problem(nobody().get("/self", Host="evil.example.com"), 400, "malformed")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/actions", "POST"),
        ("GET", "/actions", "POST"),
        ("OPTIONS", "/actions", "POST"),
        ("POST", "/self", "GET"),
        ("DELETE", "/agents", "GET"),
        ("GET", "/agents/job-applier/pause", "POST"),
        ("TRACE", "/approvals", "GET"),
    ],
)
def test_a_method_that_is_not_there_says_which_are(ruled: World, method: str, path: str, allowed: str) -> None:
    callers = (agent(ruled.text), person(ruled.admin))
    answers = [answer for answer in (each.send(method, path) for each in callers) if answer.status_code != 401]
    assert len(answers) == 1
    problem(answers[0], 405, "method_not_allowed")
    assert allowed in answers[0]["Allow"]


def test_another_representation_is_not_acceptable(ruled: World) -> None:
    problem(person(ruled.admin).get("/agents", Accept="text/html"), 406, "not_acceptable")
    assert person(ruled.admin).get("/agents", Accept="*/*").status_code == 200


def _fail(execute: Any, sql: str, *rest: Any) -> Any:
    if sql.startswith("INSERT"):
        raise OperationalError("disk I/O error")
    return execute(sql, *rest)


def _fail_all(*_call: Any) -> Any:
    raise OperationalError("the server closed the connection")


def test_a_decision_that_cannot_be_written_is_unavailable_and_never_allowed(ruled: World) -> None:
    caller = agent(ruled.text)
    assert caller.get("/self").status_code == 200
    with connection.execute_wrapper(_fail):
        answer = caller.send("POST", "/actions", FORM, Idempotency_Key="k")
    problem(answer, 503, "unavailable")
    assert int(answer["Retry-After"]) >= 1
    assert b"disk" not in answer.content
    assert not Decision.objects.exists()


def test_without_a_database_every_call_is_unavailable(ruled: World) -> None:
    machine, reader = agent(ruled.text), person(ruled.admin)
    with connection.execute_wrapper(_fail_all):
        for answer in (
            machine.send("POST", "/actions", FORM, Idempotency_Key="k"),
            machine.get("/self"),
            reader.get("/agents"),
            reader.send("POST", "/agents/job-applier/pause", {"reason": "r"}),
        ):
            problem(answer, 503, "unavailable")


def test_the_callers_own_request_id_is_kept(ruled: World) -> None:
    found = problem(nobody().get("/agents", X_Request_ID="trace-0123456789"), 401)
    assert found["request_id"] == "trace-0123456789"
