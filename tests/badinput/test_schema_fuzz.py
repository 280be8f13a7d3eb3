"""Calls drawn from the committed OpenAPI document, good and bad, and every check that schemathesis knows.

The short tier looks at every call a few times. The long tier looks longer, and in another one the calls
follow each other as a client's would, on a database that keeps what they did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from controlplane.api.floods import REFUSED
from controlplane.wsgi import application
from tests.controlplane.api.callers import TOKEN, person
from tests.controlplane.api.scene import Scene

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "openapi.yaml"
CONFIG = SchemathesisConfig.from_dict(
    {
        # Every call of ours carries its key or session; the check `ignored_auth` takes them away itself.
        "generation": {"with-security-parameters": False, "allow-x00": False},
        "checks": {
            # 413: a batch of more than 500 items; 412: a tag that is none of ours (semantics 10).
            "negative_data_rejection": {
                "expected-statuses": [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429],
            },
            # 410, 412: good in form, but the time is over, or the revision another.
            "positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 410, 412]},
            "missing_required_header": {"expected-statuses": [400, 401, 403, 404, 415, 422, 428]},
        },
    }
)
# Whose bodies follow rules that JSON Schema cannot say: only whether good data is accepted is not asked of them here.
# tests/badinput/test_completeness.py asks it of a sample of each.
RULED = {
    "ask": "numbers in RFC 8785 form, destinations that normalise, currencies that exist",
    "simulate": "it holds an ask",
    "edit_action": "numbers in RFC 8785 form, destinations that normalise, currencies that exist",
    "draft_policies": "the policy language",
    "redraft_policies": "the policy language",
    "create_version": "numbers in RFC 8785 form in the definition",
    "send_command": "numbers in RFC 8785 form in the parameters",
    "report_run": "a run does not end before it starts",
    "report_step": "reasoning is a part of the output",
    "ingest": "items are answered one by one",
    "throw_kill_switch": "a name goes with every scope but `all`",
    "create_trigger": "the trigger language: which of the fields go together",
    "change_trigger": "the trigger language: which of the fields go together",
    "create_webhook": "an address that leads to a public host",
    "edit_webhook": "an address that leads to a public host",
    "roll_back": "an environment that has an earlier version",
    "replay_policies": "a period that is over, and of at most 400 days",
}
SEEN: Counter[int] = Counter()

SCHEMA = schemathesis.openapi.from_path(DOCUMENT, config=CONFIG)
SCHEMA.app = application


@pytest.fixture(scope="module", autouse=True)
def _connections_stay() -> Iterator[None]:
    """As Django's own test client does: a request that ends shall not end the test's transaction."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def callers(scene: Scene) -> dict[str, dict[str, Any]]:
    """How agents, an administrator and an operator prove who they are."""
    return {
        "agentKey": {"Authorization": f"Bearer {scene.world.text}", "cookies": {}},
        "session": _session(scene.world.admin),
        "operator": _session(scene.world.operator),
    }


def _session(user: Any) -> dict[str, Any]:
    cookies = person(user).client.cookies
    return {"X-CSRFToken": TOKEN, "cookies": {name: morsel.value for name, morsel in cookies.items()}}


def _excluded(case: Any) -> list[Any]:
    name = case.operation.definition.raw["operationId"]
    excluded: list[Any] = [positive_data_acceptance] if name in RULED else []
    if name == "ingest":
        # Its items are answered one by one, inside a 200: tests/badinput/test_bodies.py looks at those answers.
        excluded.append(negative_data_rejection)
    return excluded


def _proved(case: Any, callers: dict[str, dict[str, Any]], session: str) -> dict[str, Any]:
    """Have a case prove who calls; return what goes beside it."""
    (scheme,) = case.operation.definition.raw["security"][0]
    if isinstance(case.query, dict) and case.meta.generation.mode.is_positive:
        # A cursor is what `next` gave; no schema can tell one from another text.
        case.query.pop("cursor", None)
    proof = callers[session if scheme == "session" else scheme]
    # On the case and not beside it: the check `ignored_auth` takes them away from there.
    case.cookies = {**(case.cookies or {}), **proof["cookies"]}
    case._has_explicit_auth = True
    return {"headers": {name: value for name, value in proof.items() if name != "cookies"}}


def _look(case: Any, callers: dict[str, dict[str, Any]], *, session: str = "session") -> None:
    beside = _proved(case, callers, session)
    # All these calls come from one address, and a flood of refused ones has a test of its own.
    REFUSED._levels.clear()
    # What a call did is taken back: the next one meets the same scene.
    with transaction.atomic():
        answer = case.call_and_validate(**beside, excluded_checks=_excluded(case))
        transaction.set_rollback(True)
    SEEN[answer.status_code] += 1


_OPTIONS: dict[str, Any] = {"suppress_health_check": list(HealthCheck), "deadline": None, "database": None}


@pytest.mark.slow
@SCHEMA.parametrize()
@settings(max_examples=3, derandomize=True, **_OPTIONS)
def test_every_call_is_answered_as_the_document_says(case: Any, callers: dict[str, dict[str, Any]]) -> None:
    _look(case, callers)


@pytest.mark.once
@pytest.mark.long
@pytest.mark.parametrize("session", ["session", "operator"])
@SCHEMA.parametrize()
@settings(max_examples=60, **_OPTIONS)
def test_every_call_is_answered_as_the_document_says_looked_at_longer(
    case: Any, callers: dict[str, dict[str, Any]], session: str
) -> None:
    _look(case, callers, session=session)


@pytest.mark.once
@pytest.mark.long
@pytest.mark.parametrize("who", ["admin", "operator"])
def test_calls_that_follow_each_other_are_answered_as_the_document_says(scene: Scene, who: str) -> None:
    callers = {
        "agentKey": {"Authorization": f"Bearer {scene.world.text}", "cookies": {}},
        "session": _session(getattr(scene.world, who)),
    }

    class Conversation(SCHEMA.as_state_machine()):  # type: ignore[misc]
        """A client that goes where the last answer points."""

        def setup(self) -> None:
            """Begin with the same scene each time."""
            self.opened = transaction.atomic()
            self.opened.__enter__()

        def teardown(self) -> None:
            """Take back what was done."""
            transaction.set_rollback(True)
            self.opened.__exit__(None, None, None)
            super().teardown()

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            """Prove who calls."""
            REFUSED._levels.clear()
            return _proved(case, callers, "session")

        def validate_response(self, response: Any, case: Any, **kwargs: Any) -> None:
            """Check the answer, and count it."""
            case.validate_response(response, excluded_checks=_excluded(case), transport_kwargs=kwargs or None)
            SEEN[response.status_code] += 1

    run_state_machine_as_test(Conversation, settings=settings(max_examples=120, stateful_step_count=8, **_OPTIONS))
    assert SEEN.total() > 200
