"""Reading YAML strictly."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from controlplane.apply.dumping import dump
from controlplane.apply.loading import MAX_CHARACTERS, Loaded, load, read_slowly
from controlplane.apply.problems import DocumentRefused
from tests.controlplane.apply.conftest import EXAMPLE

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15, allow_nan=False)
TELLING = st.sampled_from(
    ["yes", "no", "null", "~", "true", "010", "0x1F", "1_000", "18:00", "1e3", "2026-12-25", "2026-12-25 10:00:00",
     "=", "<<", "- a", "a: b", "# a", "&a", "*a", "!a", "%a", "@a", "a #b", " a", "a ", "\t", "\n", "a\nb\n", "\u2028"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT | TELLING,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | TELLING, inner, max_size=4),
    max_leaves=12,
)


def refused(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(DocumentRefused) as caught:
        load(text)
    codes = {problem.pointer: problem.code for problem in caught.value.errors}
    return [(place.line, place.pointer, codes[place.pointer]) for place in caught.value.located]


@given(st.dictionaries(TEXT | TELLING, VALUES, max_size=4))
def test_what_is_written_is_read_again(value: dict[str, Any]) -> None:
    assert load(dump(value)).value == value


def test_the_standard_reader_agrees_on_the_example() -> None:
    standard = yaml.safe_load(EXAMPLE)
    assert yaml.safe_load(dump(load(EXAMPLE).value)) == standard
    assert standard["policies"]["job-applications"]["rules"][3]["hours"]["holidays"] == [date(2026, 12, 25)]


def test_plain_words_are_what_they_look_like() -> None:
    text = "a: true\nb: null\nc: 12\nd: 1.5\ne: 2026-12-25\nf: word\ng: '12'\nh: ~\ni:\nj: -3\nk: 24h"
    assert load(text).value == {
        "a": True, "b": None, "c": 12, "d": 1.5, "e": "2026-12-25", "f": "word", "g": "12", "h": None, "i": None,
        "j": -3, "k": "24h",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["yes", "No", "on", "TRUE", "Null", "010", "0x1F", "1_000", "18:00", ".inf", "="])
def test_words_that_yaml_versions_read_differently_must_be_quoted(word: str) -> None:
    assert refused(f"a: 1\nb: {word}") == [(2, "/b", "not_admitted")]
    assert load(f"b: '{word}'").value == {"b": word}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", [(1, "/a", "duplicate_key")]),
        ("a: &x [1]\nb: *x", [(1, "/a", "not_admitted"), (2, "/b", "not_admitted")]),
        ("a: !!python/object:os.system x", [(1, "/a", "not_admitted")]),
        ("a:\n  <<: {b: 1}", [(2, "/a/<<", "wrong_type")]),
        ("1: a", [(1, "/1", "wrong_type")]),
        ("? [a]\n: b", [(1, "", "wrong_type")]),
        ("? *x\n: b", [(1, "", "wrong_type")]),
        ("a: 1\n---\nb: 2", [(1, "", "several_documents")]),
        ("", [(1, "", "empty")]),
        ("# nothing", [(1, "", "empty")]),
        ("a: 1\nb: [1, 2", [(2, "/", "not_yaml")]),
        ("a: 1\nb: c: d", [(2, "/", "not_yaml")]),
        ("a: 1\nb: '\x00'", [(2, "/", "not_yaml")]),
        ('a: 1\nb: "\\0"', [(2, "/b", "unstorable_text")]),
        ('a: 1\nb: "\\ud800"', [(2, "/b", "unstorable_text")]),
        ("a: 99999999999999999999", [(1, "/a", "number_out_of_range")]),
        ("a: 9007199254740992", [(1, "/a", "number_out_of_range")]),
        ("a: " + "[" * 100 + "]" * 100, [(1, "/a" + "/0" * 31, "too_deep")]),
        ("a: " + "[" * 100_000, [(1, "/a" + "/0" * 31, "too_deep")]),
        ("a: " + "x" * MAX_CHARACTERS, [(1, "", "too_large")]),
    ],
)  # fmt: skip
def test_refused_with_its_line(text: str, expected: list[tuple[int, str, str]]) -> None:
    assert refused(text) == expected


def test_an_alias_bomb_is_refused_at_once() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(20))
    assert len(refused(bomb)) > 20


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(DocumentRefused):
        load(text)


def told(read: Callable[[str], Loaded], text: str) -> object:
    """Return the document with its lines, or its defects with theirs."""
    try:
        loaded = read(text)
    except DocumentRefused as refusal:
        return refusal.errors, refusal.located
    # JSON tells 1 from True.
    return json.dumps(loaded.value), loaded.lines


# What the parsers read differently, and what both must refuse.
HOSTILE = (
    "a:\tb",
    "a:\n\t- b",
    "a: 'x\x85y'\nb: 1",
    "a: \x85b",
    "# c\u2028b: 1",
    "a: 'x\u2029y'\nb: 1",
    "\ufeffa: 1",
    "? ",
    "---",
    "a:\n",
    "{a? : b}",
    "{x?y: b}",
    "|#",
    ">#x",
    "a: |\n  x\nb: >-\n  y",
    "a: |\n  x\n y",
    "? |\n  a\n: b",
    "%YAML 1.1\n---\na: 1",
    "%YAML 1.1#\n---\na: 1",
    "a: %x",
    "a: @x",
    "a: *x:",
    "a: &x [*x]",
    "a: !!x y",
    "a: !<x> y",
    "<<: {a: 1}",
    "a: &a {b: 1}\nc:\n  <<: *a",
    "a: 1\nb: 2\na: 3",
    "a: 1\n---\nb: 2",
    "a: 123456789012345678901234567890",
    "a: 2026-12-25",
    "a: 2026-12-25T10:00:00Z",
    "a: yes",
    "a: 010",
    "a: ''\nb: \"\"",
    "a: [b]]",
    "a: 'x",
    "{a: 1, b}",
    "{a:1}",
    "'a':'b'",
    'a: "\\ud800"',
    'a: "\\0"',
    "a: '\x00'",
    "a: b\n\x0bc",
    "a: '\ud800'",
    "a: \U0001f600",
    "a: b\r\nc: [d,\r\n  e: f]",
    "a: b\rc: d: e",
    "a: " + "[" * 40 + "]" * 40,
    "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9)),
)


@pytest.mark.parametrize("text", [EXAMPLE, dump(load(EXAMPLE).value), *HOSTILE])
def test_both_parsers_tell_the_same(text: str) -> None:
    assert told(load, text) == told(read_slowly, text)


@given(
    st.lists(
        st.sampled_from([*EXAMPLE.split(" ")[:40], *"?|>#&*!%@-:,[]{}\"'\n\t\x85", ": ", "- ", "\n  "]), max_size=12
    ).map("".join)
)
def test_both_parsers_tell_the_same_of_odd_pieces(text: str) -> None:
    assert told(load, text) == told(read_slowly, text)
