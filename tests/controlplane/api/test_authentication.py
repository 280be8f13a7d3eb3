"""Who is let in: one identical answer to all who are not, scopes, sessions and their CSRF token."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audit import sql
from registry import keys
from registry.models import AgentKey
from registry.operations import deactivate, retire_agent, revoke_key
from tests.controlplane.api.callers import TOKEN, Caller, agent, nobody, person, problem
from tests.world import World, make_agent, make_key

ID = "00000000-0000-7000-8000-000000000000"
FOR_AGENTS = [
    ("POST", "/actions", "act"),
    ("GET", f"/actions/{ID}", "act"),
    ("DELETE", f"/actions/{ID}", "act"),
    ("POST", f"/actions/{ID}/redeem", "act"),
    ("POST", f"/actions/{ID}/outcome", "act"),
    ("POST", "/runs", "ingest"),
    ("PATCH", f"/runs/{ID}", "ingest"),
    ("POST", f"/runs/{ID}/steps", "ingest"),
    ("POST", "/ingest", "ingest"),
    ("GET", "/self", "read:self"),
    ("GET", "/commands", None),
    ("POST", f"/commands/{ID}/ack", None),
]
FOR_PEOPLE = [
    *(("GET", f"/{name}") for name in (
        "agents", "keys", "versions", "releases", "policies", "decisions", "approvals", "runs", "failures", "usage",
        "budgets", "audit", "agents/job-applier/commands",
    )),
    ("POST", "/agents/job-applier/pause"),
    ("POST", "/agents/job-applier/resume"),
    ("POST", "/agents/job-applier/commands"),
    ("POST", "/versions"),
    ("POST", "/releases"),
    ("POST", "/releases/rollback"),
    ("POST", "/policies"),
    ("POST", "/policies/1/publish"),
    ("POST", "/policies/1/rollback"),
    ("POST", "/policies/simulate"),
    ("POST", f"/approvals/{ID}/votes"),
    ("PUT", f"/approvals/{ID}/action"),
]  # fmt: skip


def _unknown_key() -> str:
    _, text = keys.mint()
    return text


def _bad_keys(world: World) -> dict[str, dict[str, str]]:
    """Return headers for every way in which a key can be no good."""
    now = sql.now()
    _, revoked = make_key(world.agent, by=world.operator, environment="staging", now=now)
    revoke_key(key=AgentKey.objects.get(environment="staging"), by=world.operator, now=now)
    old, expired = make_key(world.agent, by=world.operator, now=now - timedelta(days=100))
    assert old.expires_at < now
    gone = make_agent("gone", owner=world.owner, team=world.team, by=world.operator, now=now)
    _, retired = make_key(gone, by=world.operator, now=now)
    retire_agent(agent=gone, reason="test", by=world.operator, now=now)
    genuine = world.text
    forged = genuine[:-1] + ("0" if genuine[-1] != "0" else "1")
    texts = {
        "revoked": revoked, "expired": expired, "of a retired agent": retired, "unknown": _unknown_key(),
        "wrong checksum": forged, "cut": genuine[:20], "empty": "", "not a key": "hello", "NUL": "acp_live_\x00",
    }  # fmt: skip
    return {
        "missing": {},
        "another scheme": {"Authorization": f"Basic {genuine}"},
        "no scheme": {"Authorization": genuine},
        **{name: {"Authorization": f"Bearer {text}"} for name, text in texts.items()},
    }


def _told(answer: Any) -> dict[str, Any]:
    found = problem(answer, 401, "unauthenticated")
    assert answer["WWW-Authenticate"] == 'Bearer realm="control plane"'
    return {name: value for name, value in found.items() if name not in {"request_id", "instance"}}


def test_every_bad_key_gets_one_identical_answer(world: World) -> None:
    answers = {
        (name, path): _told(Caller(nobody().client, headers).send("POST", path, {}))
        for name, headers in _bad_keys(world).items()
        for path in ("/actions", "/runs")
    }
    first = answers["missing", "/actions"]
    assert {name: answer for name, answer in answers.items() if answer != first} == {}


def test_every_call_refuses_whom_it_is_not_for_with_the_same_answer(world: World) -> None:
    admin, machine = person(world.admin), agent(world.text)
    answers = []
    for method, path, _ in FOR_AGENTS:
        answers += [_told(nobody().send(method, path, {})), _told(admin.send(method, path, {}))]
    for method, path in FOR_PEOPLE:
        answers += [_told(nobody().send(method, path, {})), _told(machine.send(method, path, {}))]
    assert all(answer == answers[0] for answer in answers)


def test_a_deactivated_persons_session_is_no_session(world: World) -> None:
    caller = person(world.reviewer)
    assert caller.get("/approvals").status_code == 200
    deactivate(user=world.reviewer, by=world.admin, now=sql.now())
    _told(caller.get("/approvals"))


@pytest.mark.parametrize(("method", "path", "scope"), FOR_AGENTS)
def test_a_key_without_the_scope_is_forbidden(world: World, method: str, path: str, scope: str | None) -> None:
    _, text = make_key(world.agent, by=world.operator, environment="staging", scopes=("llm",), now=sql.now())
    answer = agent(text).send(method, path, {})
    if scope is None:
        assert answer.status_code != 403
    else:
        assert scope in problem(answer, 403, "forbidden")["detail"]


def test_a_shared_address_takes_the_caller_of_the_method_only(world: World) -> None:
    machine, reader = agent(world.text), person(world.admin)
    assert reader.get("/runs").status_code == 200
    _told(machine.get("/runs"))
    _told(reader.send("POST", "/runs", {}))
    problem(machine.send("POST", "/runs", {}), 422)
    assert reader.send("HEAD", "/runs").status_code == 200
    assert machine.send("HEAD", "/runs").status_code == 401


@pytest.mark.parametrize(("method", "path"), [call for call in FOR_PEOPLE if call[0] != "GET"])
def test_a_write_by_session_needs_the_csrf_token(world: World, method: str, path: str) -> None:
    bare = Caller(person(world.admin).client)
    problem(bare.send(method, path, {}), 403, "forbidden")
    wrong = Caller(bare.client, {"X-CSRFToken": "x" * len(TOKEN)})
    problem(wrong.send(method, path, {}), 403, "forbidden")
