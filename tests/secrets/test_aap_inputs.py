"""Secrets of every form through every input of the Agent Approval Protocol: kept as the exact call, or nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.db import transaction

from tests.protocols.aap.conftest import _world, world
from tests.protocols.aap.conftest import agent as framework_agent
from tests.protocols.aap.scene import FORM, Framework
from tests.secrets.canaries import FORMS
from tests.secrets.carrying import carry, kept, text_of
from tests.secrets.leaves import Path, renamed, replaced, shape, texts
from tests.secrets.looking import found_in, logs
from tests.secrets.test_inputs import EXACT

__all__ = ["_world", "framework_agent", "world"]

pytestmark = [pytest.mark.slow, pytest.mark.once]

SUBMISSION: dict[str, Any] = {
    "tool": "send", "server": "mail", "arguments": {"to": ["jane@acme.com"], "body": "Dear Jane"}, "timeout": "10m",
    "agent_reasoning": "She asked for it.", "context": {"call_id": "c1"},
}  # fmt: skip
# The call itself, which is approved, executed and told again to the letter.
CALL = frozenset({"tool", "server", "arguments", "context"})
INSTANCE: dict[str, Any] = {
    "instance_name": "laptop",
    "delivery": {
        "type": "webhook", "url": "http://127.0.0.1:9/hook", "registration_id": "8246931c-4ce0-4c15-a94a-e9c078ad06e2",
        "signing_secret": f"whsec_{'A' * 43}=",
    },
}  # fmt: skip
Found = dict[str, set[str]]


@pytest.fixture
def agent(framework_agent: Framework) -> Framework:
    return framework_agent


def _consumed(agent: Framework) -> str:
    asked: str = agent.ask("consumed", FORM).json()["id"]
    assert agent.consume(asked, "use").status_code == 200
    return f"/requests/{asked}/outcome"


def _inputs(agent: Framework) -> Iterator[tuple[str, dict[str, Any], Path]]:
    """Yield address, body and path of every text that the protocol takes."""
    bodies = [
        ("/requests", SUBMISSION), ("/instances", INSTANCE), ("/instances", {"instance_name": "laptop"}),
        (_consumed(agent), {"status": "failed", "note": "no answer"}),
    ]  # fmt: skip
    for address, body in bodies:
        for path in texts(body):
            yield address, body, path


def _sender(agent: Framework, address: str, change: Callable[[str], Any], path: Path, found: Found) -> Any:
    """Return what sends a text somewhere in a body, takes back what it did and returns the status."""

    def send(text: str) -> int:
        with transaction.atomic():
            answer = agent.send("POST", address, change(text), key="one")
            places = set(kept())
            transaction.set_rollback(True)
        assert answer.status_code < 500, (address, path)
        if path and path[0] in CALL:
            # What looks for secrets finds those that stay.
            assert places or answer.status_code >= 400, path
            places = {place for place in places if not place.startswith(tuple(EXACT))}
        if places:
            found.setdefault(f"{address} {shape(path)}", set()).update(places)
        return int(answer.status_code)

    return send


def test_secrets_in_any_text_of_the_protocol_are_kept_as_the_call_or_nowhere(agent: Framework) -> None:
    found: Found = {}
    taken: dict[str, int] = {}
    with logs() as written:
        for address, body, path in _inputs(agent):

            def change(text: str, body: dict[str, Any] = body, path: Path = path) -> Any:
                return replaced(body, path, lambda _: text)

            taken["/".join(map(str, path))] = carry(_sender(agent, address, change, path, found))
    assert found == {}
    assert found_in(written.getvalue(), FORMS) == []
    whole = {path for path, number in taken.items() if number == len(FORMS)}
    assert whole >= {"arguments/body", "agent_reasoning", "context/call_id", "note"}, taken
    assert taken["instance_name"] > 0


def test_a_secret_for_a_name_is_kept_as_the_call_or_nowhere(agent: Framework) -> None:
    found: Found = {}
    with logs() as written:
        for address, body, path in _inputs(agent):

            def change(text: str, body: dict[str, Any] = body, path: Path = path) -> Any:
                names = [at for at, step in enumerate(path) if isinstance(step, str)]
                return renamed(body, path[: names[-1] + 1], text)

            # A name at the top is no part of the call any more.
            _sender(agent, address, change, path if len(path) > 1 else (), found)(text_of())
    assert found == {}
    assert found_in(written.getvalue(), FORMS) == []


def test_secrets_beside_the_body_are_kept_nowhere(agent: Framework) -> None:
    asked = agent.ask("mail", SUBMISSION).json()["id"]
    answers = []
    with logs() as written:
        for canary in FORMS:
            word = quote(canary.text, safe="")
            paths = (f"/requests/{word}", f"/requests/{asked}?wait={word}", f"/instances/{word}", f"/{word}")
            answers += [agent.send("GET", path) for path in paths]
            if canary.text.isprintable():
                key = canary.text
                answers += [agent.ask(key), agent.consume(asked, key), agent.send("POST", "/instances", {}, key=key)]
            broken = b'{"tool": "' + json.dumps(canary.text).encode()[1:-1] + b'", '
            answers.append(agent.send("POST", "/requests", raw=broken, key="broken"))
    assert {answer.status_code for answer in answers} <= {400, 404, 409, 422}
    assert kept() == {}
    assert found_in(written.getvalue(), FORMS) == []
