"""Who is let in: one identical answer to all who are not, scopes, sessions and their CSRF token."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import yaml

from audit import sql
from controlplane.api.schema import document
from registry import keys
from registry.models import AgentKey
from registry.operations import deactivate, retire_agent, revoke_key
from tests.controlplane.api.callers import TOKEN, Caller, agent, nobody, person, problem
from tests.world import World, make_agent, make_key

ID = "00000000-0000-7000-8000-000000000000"
# What a key must carry, for every call of agents.
SCOPES = {
    "ask": "act", "get_action": "act", "cancel_action": "act", "redeem": "act", "report_outcome": "act",
    "report_run": "ingest", "change_run": "ingest", "report_step": "ingest", "ingest": "ingest",
    "self": "read:self", "commands": None, "acknowledge": None,
}  # fmt: skip


def _calls(security: str) -> dict[str, tuple[str, str]]:
    """Return method and path of every call in the schema that takes this kind of caller."""
    return {
        call["operationId"]: (method.upper(), _filled(path, call))
        for path, calls in yaml.safe_load(document())["paths"].items()
        for method, call in calls.items()
        if call["security"] == [{security: []}]
    }


def _filled(path: str, call: dict[str, Any]) -> str:
    samples = {"integer": "1", "string": ID}
    given = [each for each in call.get("parameters", []) if each["in"] == "path"]
    values = {each["name"]: samples[each["schema"]["type"]] for each in given}
    return path.format(**values)


@pytest.fixture(scope="module")
def for_agents() -> dict[str, tuple[str, str]]:
    return _calls("agentKey")


@pytest.fixture(scope="module")
def for_people() -> dict[str, tuple[str, str]]:
    return _calls("session")


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


def test_every_call_refuses_whom_it_is_not_for_with_the_same_answer(
    world: World, for_agents: dict[str, tuple[str, str]], for_people: dict[str, tuple[str, str]]
) -> None:
    answers = [
        _told(caller.send(method, path, {}))
        for calls, others in (
            (for_agents, (nobody(), person(world.admin))),
            (for_people, (nobody(), agent(world.text))),
        )
        for method, path in calls.values()
        for caller in others
    ]
    assert len(answers) > 80
    assert all(answer == answers[0] for answer in answers)


def test_a_deactivated_persons_session_is_no_session(world: World) -> None:
    caller = person(world.reviewer)
    assert caller.get("/approvals").status_code == 200
    deactivate(user=world.reviewer, by=world.admin, now=sql.now())
    _told(caller.get("/approvals"))


def test_a_key_without_the_scope_is_forbidden(world: World, for_agents: dict[str, tuple[str, str]]) -> None:
    assert set(for_agents) == set(SCOPES), "every call of agents states its scope"
    _, text = make_key(world.agent, by=world.operator, environment="staging", scopes=("llm",), now=sql.now())
    caller = agent(text)
    for name, (method, path) in for_agents.items():
        answer, scope = caller.send(method, path, {}), SCOPES[name]
        if scope is None:
            assert answer.status_code not in {401, 403}, name
        else:
            assert scope in problem(answer, 403, "forbidden")["detail"], name


def test_a_shared_address_takes_the_caller_of_the_method_only(world: World) -> None:
    machine, reader = agent(world.text), person(world.admin)
    assert reader.get("/runs").status_code == 200
    _told(machine.get("/runs"))
    _told(reader.send("POST", "/runs", {}))
    problem(machine.send("POST", "/runs", {}), 422)
    assert reader.send("HEAD", "/runs").status_code == 200
    assert machine.send("HEAD", "/runs").status_code == 401


def test_a_write_by_session_needs_the_csrf_token(world: World, for_people: dict[str, tuple[str, str]]) -> None:
    bare = Caller(person(world.admin).client)
    wrong = Caller(bare.client, {"X-CSRFToken": "x" * len(TOKEN)})
    writes = [call for call in for_people.values() if call[0] != "GET"]
    assert len(writes) > 10
    for method, path in writes:
        problem(bare.send(method, path, {}), 403, "forbidden")
        problem(wrong.send(method, path, {}), 403, "forbidden")
