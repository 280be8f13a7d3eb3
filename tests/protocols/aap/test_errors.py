"""Every error under ``/aap`` has the protocol's shape, whoever writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import override_settings

from controlplane.protocols.aap.reading import MAX_SUBMISSION
from policies.models import Decision
from tests.protocols.aap.scene import FORM, MAIL, Framework, error, framework
from tests.world import World, make_key

BAD: list[tuple[str, Any, str | None]] = [
    ("not an object", [], None),
    ("unknown field", {**MAIL, "surplus": 1}, "surplus"),
    ("delivery of a request", {**MAIL, "delivery": {}}, "delivery"),
    ("no tool", {name: MAIL[name] for name in ("arguments", "timeout")}, "tool"),
    ("no arguments", {name: MAIL[name] for name in ("tool", "timeout")}, "arguments"),
    ("no timeout", {name: MAIL[name] for name in ("tool", "arguments")}, "timeout"),
    ("null", {**MAIL, "server": None}, "server"),
    ("null context", {**MAIL, "context": None}, "context"),
    ("number as tool", {**MAIL, "tool": 7}, "tool"),
    ("empty tool", {**MAIL, "tool": ""}, "tool"),
    ("empty server", {**MAIL, "server": ""}, "server"),
    ("long tool", {**MAIL, "tool": "x" * 201}, "tool"),
    ("list of arguments", {**MAIL, "arguments": []}, "arguments"),
    ("text as context", {**MAIL, "context": "x"}, "context"),
    ("number as reasoning", {**MAIL, "agent_reasoning": 1}, "agent_reasoning"),
    ("NUL in arguments", {**MAIL, "arguments": {"to": ["a\0@acme.com"]}}, "arguments"),
    ("surrogate in arguments", {**MAIL, "arguments": {"to": ["\ud800"]}}, "arguments"),
    ("NUL in reasoning", {**MAIL, "agent_reasoning": "\0"}, "agent_reasoning"),
    ("NUL in the tool", {**MAIL, "tool": "a\0b"}, "tool"),
    *[(f"timeout {text!r}", {**MAIL, "timeout": text}, "timeout")
      for text in ("", "0s", "10", "1.5m", "-1m", "1d", "01m", " 1m", "1m ", 600, "١m")],
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("body", "param"), [(body, param) for _, body, param in BAD], ids=[name for name, _, _ in BAD])
def test_what_is_no_submission_is_refused_and_named(agent: Framework, body: Any, param: str | None) -> None:
    answer = agent.ask("a", body)
    told = error(answer, 400, json.loads(answer.content)["error"]["code"], "invalid_request")
    assert told.get("param") == param
    assert not Decision.objects.exists()


RAW: list[tuple[str, bytes]] = [
    ("no JSON", b"{"),
    ("a key twice", b'{"tool":"a","tool":"b","arguments":{},"timeout":"1m"}'),
    ("a key twice inside", b'{"tool":"a","arguments":{"x":1,"x":1},"timeout":"1m"}'),
    ("NaN", b'{"tool":"a","arguments":{"x":NaN},"timeout":"1m"}'),
    ("no UTF-8", b'{"tool":"\xff"}'),
    ("a mark before it", b'\xef\xbb\xbf{"tool":"a","arguments":{},"timeout":"1m"}'),
    ("something after it", b'{"tool":"a","arguments":{},"timeout":"1m"} x'),
    ("too deep", b'{"tool":"a","arguments":{"x":' + b"[" * 40 + b"]" * 40 + b'},"timeout":"1m"}'),
    ("far too deep", b'{"tool":"a","arguments":{"x":' + b"[" * 90_000 + b"]" * 90_000 + b'},"timeout":"1m"}'),
]


@pytest.mark.slow
@pytest.mark.parametrize("raw", [raw for _, raw in RAW], ids=[name for name, _ in RAW])
def test_what_cannot_be_read_is_refused(agent: Framework, raw: bytes) -> None:
    answer = agent.send("POST", "/requests", raw=raw, key="a")
    error(answer, 400, json.loads(answer.content)["error"]["code"], "invalid_request")
    assert not Decision.objects.exists()


def test_size_type_and_key_are_checked(agent: Framework) -> None:
    large = {**FORM, "arguments": {"x": "y" * MAX_SUBMISSION}}
    error(agent.ask("a", large), 413, "too_large", "invalid_request")
    error(agent.send("POST", "/requests", FORM, key="a", Content_Type="text/plain"), 415, "unsupported_media_type")
    error(agent.send("POST", "/requests", FORM), 400, "missing_idempotency_key", "invalid_request")
    for key in ("k" * 256, "a\tb", "schlüssel"):
        error(agent.ask(key, FORM), 400, "malformed")
    error(agent.send("POST", "/requests?surplus=1", FORM, key="a"), 400, "bad_query")
    assert not Decision.objects.exists()


def test_consume_takes_a_key_and_no_body(agent: Framework) -> None:
    asked = agent.ask("a", FORM).json()["id"]
    error(agent.send("POST", f"/requests/{asked}/consume"), 400, "missing_idempotency_key")
    error(agent.send("POST", f"/requests/{asked}/consume", {"x": 1}, key="c"), 400, "malformed")
    assert agent.send("POST", f"/requests/{asked}/consume", {}, key="c").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "body", [{}, {"status": "done"}, {"status": "failed", "note": ""}, {"status": "failed", "note": None},
             {"status": "failed", "more": 1}, {"status": "failed", "note": "x" * 4001}, []],
)  # fmt: skip
def test_an_outcome_is_read_strictly(agent: Framework, body: Any) -> None:
    asked = agent.ask("a", FORM).json()["id"]
    agent.consume(asked, "c")
    answer = agent.send("POST", f"/requests/{asked}/outcome", body)
    error(answer, 400, json.loads(answer.content)["error"]["code"], "invalid_request")


@pytest.mark.slow
@pytest.mark.parametrize("wait", ["", "0s", "5", "soon", "-1s", "1.5s"])
def test_waiting_takes_a_duration(agent: Framework, wait: str) -> None:
    asked = agent.ask("a", FORM).json()["id"]
    told = error(agent.send("GET", f"/requests/{asked}?wait={wait}"), 400, "duration")
    assert told["param"] == "wait"


def test_strangers_and_lost_addresses(agent: Framework) -> None:
    refused = [error(framework(text).ask("a"), 401, "unauthenticated", "authentication") for text in ("", "nonsense")]
    assert len({told["message"] for told in refused}) == 1
    for path in ("", "/", "/aap", "/aap/v1/instances/x", "/requests/", "/requests/none", "/nothing", "/\x00"):
        if path != "/aap":
            error(
                agent.send("GET", path if path.startswith("/aap") else f"/aap/v1{path}"), 404, "not_found", "not_found"
            )
    error(agent.send("GET", "/requests"), 405, "method_not_allowed", "invalid_request")
    error(agent.send("PUT", "/requests/00000000-0000-7000-8000-000000000000"), 405, "method_not_allowed")


def test_a_key_without_the_scope_may_not_ask(world: World) -> None:
    _, text = make_key(world.agent, by=world.admin, environment="staging", scopes=("ingest",))
    error(framework(text).ask("a"), 403, "forbidden", "authorization")


@override_settings(ROOT_URLCONF="tests.protocols.aap.broken_urls")
def test_what_breaks_inside_says_nothing_of_it(agent: Framework) -> None:
    for path, status, code, kind in (
        ("/aap/boom", 500, "internal_error", "internal"),
        ("/aap/away", 503, "unavailable", "dependency"),
        ("/aap/suspicious", 400, "malformed", "invalid_request"),
        ("/aap/forbidden", 403, "forbidden", "authorization"),
    ):
        told = error(agent.send("GET", path), status, code, kind)
        assert "secret" not in json.dumps(told)
