"""Like failures share a fingerprint, unlike ones do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.fingerprints import LONGEST, fingerprint, normalise, same_cause


@pytest.mark.parametrize(
    ("message", "normal"),
    [
        ("Timeout after 30.5 s", "timeout after <n> s"),
        ("User 7f9c24e8-3b12-4c5a-9d7e-0123456789ab is gone", "user <uuid> is gone"),
        ("GET https://api.x/v1/users/9?a=b failed", "get <url> failed"),
        ("no column 'age' in \"people\"", "no column <text> in <text>"),
        ("can't parse 'x', don't", "can't parse <text>, don't"),
        ("commit deadbeef01 at 0xFF00", "commit <n> at <n>"),
        ("the facade was defaced", "the facade was defaced"),
        ("to jane.doe@acme.com at 2026-11-23T10:00:00", "to <email> at <n>-<n>-<n>t<n>"),
        ("  many\n  lines ", "many lines"),
    ],
)
def test_normal_form(message: str, normal: str) -> None:
    assert normalise(message) == normal


def test_fingerprint_tells_type_message_and_step_apart() -> None:
    base = {"error_type": "Timeout", "message": "after 30 s", "step": "fetch"}
    assert fingerprint(**base) == fingerprint(**{**base, "message": "After 31 s"})
    others = [{**base, "error_type": "Reset"}, {**base, "message": "before 30 s"}, {**base, "step": "send"}]
    assert len({fingerprint(**base), *(fingerprint(**other) for other in others)}) == 4


def test_same_cause_ignores_what_differs_by_occurrence() -> None:
    assert same_cause(("E", "row 7 is bad"), ("E", "row 8 is bad"))
    assert not same_cause(("E", "row 7 is bad"), ("F", "row 7 is bad"))


@given(st.text(max_size=3_000))
def test_normal_form_is_short_and_deterministic(message: str) -> None:
    assert normalise(message) == normalise(message)
    assert len(normalise(message)) <= LONGEST


@given(st.integers(min_value=0), st.integers(min_value=0), st.uuids(), st.uuids())
def test_numbers_and_ids_never_split_a_group(a: int, b: int, one: object, other: object) -> None:
    assert normalise(f"job {a} of {one} failed") == normalise(f"job {b} of {other} failed")
