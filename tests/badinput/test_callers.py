"""Who calls, and about what: keys that are none, scopes, missing and foreign objects, preconditions, floods."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from time import monotonic

import pytest

from audit import sql
from controlplane.api.floods import ADMITTED, REFUSED
from registry import keys
from registry.models import AgentKey
from registry.operations import revoke_key
from registry.states import KeyScope
from tests.badinput.refusing import counts, nothing_written, refused
from tests.badinput.routes import READING, WRITING, Route, every_route
from tests.badinput.samples import NOWHERE, SAMPLES
from tests.controlplane.api.callers import Caller, agent, nobody, person
from tests.controlplane.api.scene import FORM, Scene
from tests.world import make_key

pytestmark = pytest.mark.slow

ROUTES = sorted({*every_route(WRITING), *every_route(READING)})
OF_AGENTS = [route for route in ROUTES if route.described["security"] == [{"agentKey": []}]]
OF_PEOPLE = [route for route in ROUTES if route.described["security"] == [{"session": []}]]
# The answers differ in nothing but where and when.
OF_THE_CALL = ("instance", "request_id")


def _bad_keys(scene: Scene) -> Iterator[tuple[str, dict[str, str]]]:
    world = scene.world
    text = world.text
    now = sql.now()
    _, unknown = keys.mint()
    _, expired_text = make_key(world.agent, by=world.admin, environment="staging", now=now - timedelta(days=400))
    revoked, revoked_text = make_key(world.agent, by=world.admin, environment="staging", now=now)
    revoke_key(key=revoked, by=world.admin, now=now)
    for name, value in (
        ("missing", None), ("empty", ""), ("no scheme", text), ("another scheme", f"Basic {text}"),
        ("no key", "Bearer"),
        ("blank", "Bearer  "), ("cut off", f"Bearer {text[:-1]}"), ("another checksum", f"Bearer {text[:-8]}00000000"),
        ("upper case", f"Bearer {text.upper()}"), ("twice", f"Bearer {text} {text}"), ("unknown", f"Bearer {unknown}"),
        ("expired", f"Bearer {expired_text}"), ("revoked", f"Bearer {revoked_text}"),
        ("another secret", f"Bearer {_another_secret(text)}"), ("NUL", f"Bearer {text}\x00"),
        ("not ASCII", "Bearer acp_live_é"),
        ("long", "Bearer " + "a" * 10_000), ("JWT", "Bearer eyJhbGciOiJub25lIn0.e30."),
    ):  # fmt: skip
        yield name, {} if value is None else {"Authorization": value}


def _another_secret(text: str) -> str:
    token = keys.parse(text)
    assert token is not None
    other, _ = keys.mint()
    body = f"{keys.PREFIX}{token.public_id}_{other.secret}"
    return f"{body}_{keys._checksum(body)}"


def _anywhere(route: Route) -> str:
    return route.fill({name: NOWHERE[kind] for name, kind in route.variables.items()})


@pytest.mark.parametrize("route", OF_AGENTS, ids=str)
def test_every_key_that_is_none_gets_one_identical_answer(scene: Scene, route: Route) -> None:
    call = SAMPLES[route].make(scene) if route in SAMPLES else None
    path = _anywhere(route) if call is None else route.fill(call.values)
    bad = dict(_bad_keys(scene))
    answers = set()
    with nothing_written():
        for headers in bad.values():
            answer = nobody().send(route.method, path, call and call.body, **(call.headers if call else {}), **headers)
            found = refused(answer, 401, "unauthenticated", family="401")
            answers.add((answer["WWW-Authenticate"], *(str(v) for k, v in found.items() if k not in OF_THE_CALL)))
        # A person's session is no key.
        refused(person(scene.world.admin).send(route.method, path), 401, "unauthenticated", family="401")
    assert len(answers) == 1


@pytest.mark.parametrize("route", OF_PEOPLE, ids=str)
def test_nobody_and_agents_are_no_people(scene: Scene, route: Route) -> None:
    call = SAMPLES[route].make(scene) if route in SAMPLES else None
    path = _anywhere(route) if call is None else route.fill(call.values)
    forged = Caller(nobody().client, {"Cookie": "sessionid=" + "a" * 32, "X-CSRFToken": "t" * 32})
    with nothing_written():
        for caller in (nobody(), agent(scene.world.text), forged):
            answer = caller.send(route.method, path, call and call.body, **(call.headers if call else {}))
            refused(answer, 401, "unauthenticated", family="401")


@pytest.mark.parametrize("route", [each for each in OF_PEOPLE if each.method != "GET"], ids=str)
def test_a_persons_write_without_its_csrf_token_is_forbidden(scene: Scene, route: Route) -> None:
    sample = SAMPLES[route]
    call = sample.make(scene)
    with nothing_written():
        for token in (None, "", "x" * 32, "é", "t" * 31):
            caller = sample.caller(scene)
            bare = Caller(caller.client, {} if token is None else {"X-CSRFToken": token})
            answer = bare.send(route.method, route.fill(call.values), call.body, **call.headers)
            refused(answer, 403, "forbidden", family="403")


@pytest.mark.parametrize("route", [each for each in SAMPLES if SAMPLES[each].scope], ids=str)
def test_a_key_without_the_scope_is_forbidden(scene: Scene, route: Route) -> None:
    sample = SAMPLES[route]
    call = sample.make(scene)
    AgentKey.objects.get(pk=scene.world.key.pk)
    others = tuple(scope for scope in KeyScope.values if scope != sample.scope)
    _, text = make_key(scene.world.agent, by=scene.world.admin, scopes=others, now=sql.now())
    with nothing_written():
        answer = agent(text).send(route.method, route.fill(call.values), call.body, **call.headers)
        refused(answer, 403, "forbidden", family="403")


@pytest.mark.parametrize("route", [each for each in SAMPLES if each.variables], ids=str)
def test_a_missing_object_and_anothers_get_the_same_answer(scene: Scene, route: Route) -> None:
    sample = SAMPLES[route]
    call = sample.make(scene)
    foreigner = sample.foreigner(scene)
    found = []
    with nothing_written():
        for caller, path in (
            (sample.caller(scene), _anywhere(route)),
            (foreigner, _anywhere(route)),
            (foreigner, route.fill(call.values)),
        ):  # fmt: skip
            answer = caller.send(route.method, path, call.body, **call.headers)
            body = refused(answer, 404, "not_found", family="404")
            found.append({name: value for name, value in body.items() if name not in OF_THE_CALL})
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("route", [each for each in SAMPLES if each.needs_header("If-Match")], ids=str)
def test_a_guarded_write_says_which_revision_it_means(scene: Scene, route: Route) -> None:
    sample = SAMPLES[route]
    call = sample.make(scene)
    tag = call.headers["If_Match"]
    with nothing_written():
        answer = sample.caller(scene).send(route.method, route.fill(call.values), call.body)
        refused(answer, 428, "precondition_required", family="If-Match")
        stale = (
            '"2"',
            tag.strip('"'),
            f"W/{tag}",
            "*",
            f"{tag}, {tag}",
            '""',
            '"0"',
            '"' + "0" * 64 + '"',
            '"é"',
            "x" * 5_000,
        )
        for other in stale:
            answer = sample.caller(scene).send(route.method, route.fill(call.values), call.body, If_Match=other)
            refused(answer, 412, family="If-Match")


@pytest.mark.parametrize("route", [each for each in SAMPLES if each.needs_header("Idempotency-Key")], ids=str)
def test_a_call_that_may_be_repeated_carries_a_key(scene: Scene, route: Route) -> None:
    sample = SAMPLES[route]
    call = sample.make(scene)
    caller, path = sample.caller(scene), route.fill(call.values)
    with nothing_written():
        refused(caller.send(route.method, path, call.body), 400, "malformed", family="idempotency")
        for bad in ("", "é", "a\x00b", "a\tb", "x" * 256, "\x7f"):
            answer = caller.send(route.method, path, call.body, Idempotency_Key=bad)
            refused(answer, 400, "malformed", family="idempotency")


def test_a_key_that_was_used_with_another_body_is_refused(scene: Scene) -> None:
    caller = agent(scene.world.text)
    assert caller.send("POST", "/actions", FORM, Idempotency_Key="once").status_code == 200
    with nothing_written():
        for change in ({"units": 2}, {"purpose": "x"}, {"dry_run": True}):
            answer = caller.send("POST", "/actions", {**FORM, **change}, Idempotency_Key="once")
            refused(answer, 422, "idempotency_key_reused", family="idempotency")
    assert caller.send("POST", "/actions", FORM, Idempotency_Key="once").json()["replayed"] is True


@pytest.mark.parametrize("route", SAMPLES, ids=str)
def test_a_flood_is_told_to_wait_and_decides_nothing(scene: Scene, route: Route) -> None:
    sample = SAMPLES[route]
    call = sample.make(scene)
    caller = sample.caller(scene)
    world = scene.world
    name = f"key:{world.key.public_id}" if sample.who == "agent" else f"person:{getattr(world, sample.who).pk}"
    before = counts()
    ADMITTED._levels[name] = (-10.0 * ADMITTED.rate, monotonic())
    try:
        answer = caller.send(route.method, route.fill(call.values), call.body, **call.headers)
        refused(answer, 429, "flooded", family="floods")
        # Ten seconds, less what a busy machine takes to answer.
        assert 1 <= int(answer["Retry-After"]) <= 11
        assert counts() == before
    finally:
        del ADMITTED._levels[name]
    # Whoever is nobody is counted by address, before anything is looked up.
    stranger = nobody()
    address = stranger.client.defaults["REMOTE_ADDR"]
    REFUSED._levels[address] = (-10.0 * REFUSED.rate, monotonic())
    refused(
        stranger.send(route.method, route.fill(call.values), call.body, **call.headers), 429, "flooded", family="floods"
    )
