"""Strict reading and canonical writing."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from audit.canonical import MAX_INTEGER, MOST_PROBLEMS, digest, dumps, loads
from audit.refusals import Invalid, Malformed

_text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=20,
)


@given(_values)
def test_loads_of_dumps_gives_the_value_back(value: Any) -> None:
    assert loads(dumps(value)) == value


# Whatever JSON can say, and what it cannot: real numbers, integers too large, lone surrogates, keys beyond ASCII.
_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@given(_anything)
@example("".join(map(chr, range(0x20))) + '\x7f\x80\u2028\u2029"\\/\U0001f600')
@example({"\ue000": 1, "\U00010000": 2})
@example(["\ud800"])
def test_both_writers_write_the_same_bytes(value: Any) -> None:
    try:
        by_the_library = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        with pytest.raises(Invalid):
            dumps(value)
    else:
        assert dumps(value) == by_the_library


@given(st.dictionaries(_text, st.integers(-100, 100), min_size=2, max_size=5))
def test_digest_does_not_depend_on_key_order(value: dict[str, int]) -> None:
    turned = dict(reversed(value.items()))
    assert digest("test", value) == digest("test", turned)


@given(st.floats(-1e15, 1e15, allow_nan=False))
def test_loads_admits_a_real_number_only_in_its_canonical_form(value: float) -> None:
    canonical = rfc8785.dumps(value).decode()
    assert loads(canonical.encode()) == value
    if "." in canonical:
        twin = canonical.replace("e", "0e") if "e" in canonical else canonical + "0"
        assert float(twin) == value
        with pytest.raises(Invalid):
            loads(twin.encode())


@pytest.mark.parametrize(
    ("text", "code", "pointer"),
    [
        ('{"a": 1, "a": 1}', "duplicate_key", "/a"),
        ('{"x": [{"a/b": 1, "a/b": 2}]}', "duplicate_key", "/x/0/a~1b"),
        ('{"a": 1.0}', "number_not_canonical", "/a"),
        ('{"a": 0.10}', "number_not_canonical", "/a"),
        ('{"a": 1e3}', "number_not_canonical", "/a"),
        ('{"a": -0}', "number_not_canonical", "/a"),
        ('{"a": 0.1000000000000000055511151231257827}', "number_not_canonical", "/a"),
        ('{"a": 9007199254740992}', "number_out_of_range", "/a"),
        ('{"a": 1e400}', "number_out_of_range", "/a"),
        ('{"a": NaN}', "not_json", "/a"),
        ('{"a": [0, "\\u0000"]}', "unstorable_text", "/a/1"),
        ('{"a": "\\ud800"}', "unstorable_text", "/a"),
        ('{"\\udfff": 1}', "unstorable_text", "/\ufffd"),
        ("[" * 33 + "]" * 33, "too_deep", "/0" * 32),
        ("[" * 5000 + "]" * 5000, "too_deep", ""),
        (json.dumps([0] * 10_001), "too_many_nodes", ""),
    ],
)
def test_loads_names_the_defect_and_its_place(text: str, code: str, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        loads(text.encode())
    assert (code, pointer) in [(problem.code, problem.pointer) for problem in caught.value.errors]


@pytest.mark.parametrize("last", ["0", '"\\u0000"', "1.0"])
def test_what_stands_under_a_long_key_takes_no_more_memory_than_the_body_explains(last: str) -> None:
    # A pointer for each value would be 1.8 GB here.
    raw = f'{{"{"k" * 200_000}": [{", ".join([last] * 9_000)}]}}'.encode()
    tracemalloc.start()
    try:
        with contextlib.suppress(Invalid):
            loads(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(raw)


def test_an_answer_tells_the_first_defects_and_cuts_long_keys() -> None:
    with pytest.raises(Invalid) as caught:
        loads(f'{{"{"k" * 1_000}": [{", ".join(["1.0"] * 500)}]}}'.encode())
    assert len(caught.value.errors) == MOST_PROBLEMS
    assert max(len(problem.pointer) for problem in caught.value.errors) < 220


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b'"\xed\xa0\x80"', b"\xef\xbb\xbf{}", b"{'a': 1}", b'"\x01"'])
def test_loads_refuses_what_is_not_json(raw: bytes) -> None:
    with pytest.raises(Malformed):
        loads(raw)


def test_loads_keeps_surrogate_pairs_that_make_one_character() -> None:
    assert loads(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_digests_of_unicode_twins_differ() -> None:
    assert digest("test", "\u00e9") != digest("test", "e\u0301")
