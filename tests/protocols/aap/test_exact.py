"""Numbers keep their text: told again as they came, digested so, and never judged by a rounded value."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.models import ActionRevision
from audit.refusals import Refusal
from controlplane.protocols.aap.exact import Number, canonical_view, read_members, same
from policies.models import Decision
from tests.protocols.aap.scene import MAIL, Framework

# As it is written → what compares and extracts sees, and whether the text says more.
NUMBERS: list[tuple[str, Any, bool]] = [
    ("1", 1, True),
    ("1.5", 1.5, True),
    ("-7", -7, True),
    ("1.0", 1, False),
    ("1e2", 100, False),
    ("0.10", 0.1, False),
    ("-0", 0, False),
    ("9007199254740991", 9007199254740991, True),
    ("9007199254740993", "9007199254740993", False),
    ("123456789012345678901234567890", "123456789012345678901234567890", False),
    ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827", False),
    ("1e400", "1e400", False),
    ("1e-400", "1e-400", False),
    ("0.30000000000000001", "0.30000000000000001", False),
]


@pytest.mark.parametrize(("text", "view", "exact"), NUMBERS, ids=[text for text, _, _ in NUMBERS])
def test_a_number_is_itself_or_its_text(text: str, view: Any, exact: bool) -> None:
    found = canonical_view(read_members(f'{{"n":{text}}}'.encode())["n"].value)
    assert found == (view, exact)
    assert type(found[0]) is not bool


@pytest.mark.slow
@pytest.mark.parametrize("text", [text for text, _, _ in NUMBERS])
def test_numbers_come_back_as_they_were_sent(agent: Framework, text: str) -> None:
    arguments = f'{{"to":["jane@acme.com"],  "body":"\\u0044ear", "n" : {text}}}'
    body = f'{{"tool":"send_email","arguments":{arguments},"timeout":"10m"}}'
    asked = agent.send("POST", "/requests", raw=body.encode(), key="a")
    assert asked.status_code == 201, asked.content
    assert f'"arguments":{arguments},'.encode() in asked.content
    held = ActionRevision.objects.get(request__decision=asked.json()["id"])
    call = json.loads(bytes(held.body))["call"]
    assert call["arguments_sha256"] == hashlib.sha256(arguments.encode()).hexdigest()
    exact = next(exact for each, _, exact in NUMBERS if each == text)
    assert call.get("arguments_text") == (None if exact else arguments)


def test_arguments_that_differ_in_one_character_have_another_digest(agent: Framework) -> None:
    digests = set()
    for number, written in enumerate(('"n":1', '"n":1.0', '"n":1e0', '"n": 1', '"n":"1"')):
        raw = f'{{"tool":"send_email","arguments":{{"to":["jane@acme.com"],{written}}},"timeout":"10m"}}'
        asked = agent.send("POST", "/requests", raw=raw.encode(), key=f"k{number}")
        digests.add(Decision.objects.get(pk=asked.json()["id"]).digest)
    assert len(digests) == 5


def test_what_the_catalogue_points_at_is_found_in_the_arguments(agent: Framework) -> None:
    arguments = {"to": ["jane@acme.com", "joe@acme.com"], "weight": 1.0}
    decision = Decision.objects.get(pk=agent.ask("a", {**MAIL, "arguments": arguments}).json()["id"])
    assert (decision.verb, decision.destinations, decision.units) == (
        "email.send", ["email:jane@acme.com", "email:joe@acme.com"], 2,
    )  # fmt: skip
    assert decision.data_classes == ["pii"]


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_members_and_their_text_are_those_of_the_source(value: Any) -> None:
    raw = json.dumps({"a": value, "b": value}, indent=1).encode()
    try:
        members = read_members(raw)
    except Refusal:
        return
    assert [json.loads(member.text) for member in members.values()] == [value, value]
    assert same(members["a"].value, members["b"].value)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [("1", "1.0", True), ("1", "true", False), ("1", '"1"', False), ("[1]", "[1,1]", False), ("0", "-0", True),
     ("1e999999999", "1e999999999", True), ("1e999999999", "2e999999999", False), ("null", "false", False),
     ('{"a":1}', '{"b":1}', False), ("1" * 500, "1" * 499 + "2", False)],
)  # fmt: skip
def test_sameness_is_of_values(one: str, other: str, equal: bool) -> None:
    members = read_members(f'{{"one":{one},"other":{other}}}'.encode())
    assert same(members["one"].value, members["other"].value) is equal


def test_text_that_looks_like_a_number_stays_text() -> None:
    value = read_members(b'{"a":"1.0","b":1.0}')
    assert not isinstance(value["a"].value, Number)
    assert canonical_view(value["a"].value) == ("1.0", True)
