"""Domains that could be taken for known ones, and the marks over the bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.console.approvals.lookalikes import edits, look_alike, skeleton
from controlplane.console.approvals.marking import hosts_in, lay_out, tags_of_host, text_of
from controlplane.console.text import pretty

pytestmark = pytest.mark.slow

KNOWN = frozenset({"acme.com", "google.com", "apple.com", "xy.io"})


@pytest.mark.parametrize(
    "domain",
    [
        "acrne.com", "acme.co", "acmee.com", "amce.com", "goog1e.com", "g00gle.com", "googel.com", "gooogle.com",
        "xn--80ak6aa92e.com", "acme.cm", "aeme.com",
    ],
)  # fmt: skip
def test_look_alikes_are_found(domain: str) -> None:
    assert look_alike(domain, KNOWN) is not None


@pytest.mark.parametrize("domain", ["acme.com", "mail.acme.com", "example.org", "zz.io", "", "microsoft.com"])
def test_known_and_other_domains_are_left_alone(domain: str) -> None:
    assert look_alike(domain, KNOWN) is None


@given(st.text("abcdef.", max_size=9), st.text("abcdef.", max_size=9))
def test_edits_are_symmetric_and_bounded(one: str, other: str) -> None:
    found = edits(one, other, most=2)
    assert found == edits(other, one, most=2)
    assert 0 <= found <= 3
    assert (found == 0) == (one == other)


@given(st.text(max_size=12))
def test_a_skeleton_is_always_given(text: str) -> None:
    assert isinstance(skeleton(text), str)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_marks_never_change_the_text(value: object) -> None:
    hosts = {host: tags_of_host(host) for host in hosts_in(value)}
    assert text_of(lay_out(value, {}, hosts)) == pretty(value)


def test_hosts_are_found_where_they_stand() -> None:
    value = json.loads('{"a": ["see https://Evil.test/x, or jane@acme.com."], "b": "https://xn--80ak6aa92e.com"}')
    assert hosts_in(value) == ["Evil.test", "acme.com", "xn--80ak6aa92e.com"]
