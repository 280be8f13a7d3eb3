"""Domains that could be taken for known ones, and the marks over the bytes."""

from __future__ import annotations

import json
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.console.approvals.lookalikes import Domains, edits, skeleton
from controlplane.console.approvals.marking import hosts_in, lay_out, tags_of_host, text_of
from controlplane.console.text import pretty

pytestmark = pytest.mark.slow

KNOWN = Domains({"acme.com", "google.com", "apple.com", "xy.io"})


@pytest.mark.parametrize(
    "domain",
    [
        "acrne.com", "acme.co", "acmee.com", "amce.com", "goog1e.com", "g00gle.com", "googel.com", "gooogle.com",
        "xn--80ak6aa92e.com", "acme.cm", "aeme.com",
    ],
)  # fmt: skip
def test_look_alikes_are_found(domain: str) -> None:
    assert KNOWN.look_alike(domain) is not None


@pytest.mark.parametrize("domain", ["acme.com", "mail.acme.com", "example.org", "zz.io", "", "microsoft.com"])
def test_known_and_other_domains_are_left_alone(domain: str) -> None:
    assert KNOWN.look_alike(domain) is None


@given(st.text("abcdef.", max_size=9), st.text("abcdef.", max_size=9))
def test_edits_are_symmetric_and_bounded(one: str, other: str) -> None:
    found = edits(one, other, most=2)
    assert found == edits(other, one, most=2)
    assert 0 <= found <= 3
    assert (found == 0) == (one == other)


@given(st.text("abcm.", max_size=8), st.sets(st.text("abcm.", min_size=1, max_size=8), max_size=4))
def test_what_is_passed_over_quickly_is_what_a_comparison_with_each_passes_over(domain: str, names: set[str]) -> None:
    found = Domains(names).look_alike(domain)
    if any(domain == name or domain.endswith(f".{name}") for name in names):
        assert found is None
        return
    near = [name for name in names if edits(domain, name, most=(most := _most(domain, name))) <= most]
    alike = [name for name in names if skeleton(name) == skeleton(domain)]
    assert (found is not None) == bool(near or alike)
    assert found is None or found.known in {*near, *alike}


def _most(one: str, other: str) -> int:
    return 1 if min(len(one), len(other)) <= 5 else 2


def test_many_thousand_hosts_are_compared_with_all_that_is_known() -> None:
    """An agent that fills its payload with hosts must not keep its reviewers from reading it."""
    known = Domains(f"company{number}-mail.example{number % 7}.com" for number in range(500))
    began = process_time()
    assert not any(known.look_alike(f"h{number}xyz.comp.example") for number in range(20_000))
    assert known.look_alike("a." * 100_000) is None
    # A comparison of each with each takes minutes.
    assert process_time() - began < 20


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
