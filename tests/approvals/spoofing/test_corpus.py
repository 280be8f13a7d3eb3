"""Every trick of the corpus bears its mark where the reviewer reads, and is shown whole."""

from __future__ import annotations

import html
import re
from time import process_time

import pytest
import rfc8785
from django.template.loader import render_to_string

from approvals.risk import assess
from controlplane.console.approvals.findings import find
from controlplane.console.approvals.marking import Tag, hosts_in, lay_out, tags_of_host, text_of
from controlplane.console.approvals.marks import Marked
from controlplane.console.text import is_hidden, pretty
from tests.approvals.spoofing.corpus import KNOWN, Trick, tricks

TRICKS = list(tricks())
RISK = assess(capability="read", data_classes=(), amount=None, units=1, new_destinations=0)


def _said(host: str) -> tuple[Tag, ...]:
    look = KNOWN.look_alike(host.lower())
    said = tags_of_host(host)
    return (Tag("bad", f"looks like {look.known}: {look.how}"), *said) if look else said


def rendered(trick: Trick) -> str:
    """Return what the approval page shows of a payload."""
    hosts = {host: _said(host) for host in hosts_in(trick.payload)}
    lines = lay_out(trick.payload, {}, hosts)
    assert text_of(lines) == pretty(trick.payload)
    return render_to_string("console/approvals/marked.html", {"marked": Marked(lines, (), RISK)})


def test_the_corpus_is_as_large_as_it_is_said_to_be() -> None:
    assert len(TRICKS) >= 60
    assert len({trick.name for trick in TRICKS}) == len(TRICKS)


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.name)
def test_a_trick_is_marked_shown_whole_and_inert(trick: Trick) -> None:
    page = rendered(trick)
    for mark in trick.marks:
        assert mark in page, page[-3000:]
    for text in trick.never:
        assert text not in page
    _shown_whole_and_inert(trick, page)


def _shown_whole_and_inert(trick: Trick, page: str) -> None:
    assert not {character for character in page if is_hidden(character)}
    assert set(re.findall(r"</?([a-z]+)", page)) <= {"pre", "mark", "span", "bdi"}
    bare = re.sub(r"</?(?:pre|mark)[^>]*>|<span class=\"cp-tag[^>]*>.*?</span>(?!</span>)", "", page)
    box = r"<span class=\"cp-hidden\"[^>]*><bdi>U\+([0-9A-F]+)</bdi></span>"
    shown = re.sub(box, lambda found: chr(int(found[1], 16)), bare)
    # The template's own last line break is none of the payload's.
    assert html.unescape(shown)[:-2] == pretty(trick.payload)


def test_plain_words_bear_no_mark() -> None:
    """Marks that are everywhere are read nowhere."""
    for text in ("Dear Jane, please find enclosed …", "Zürich, 3 von 4 Stück", "Привет, Анна", "naïve café", "a.b.c",
                 "Meet at 10:30 (room 4.12)", "either // or", "see www.example.org", "x < y and y > z",
                 "[see below] (page 3)"):  # fmt: skip
        assert find(rfc8785.dumps(text).decode(), {}) == [], text


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["a", "a@", "1,", "$1", " ", "[", "<a href=", "href=", "//a.", "www.a ", "a@b.", "аb", "a\u0301\u0301", ".pdf"],
)
def test_a_hostile_text_costs_no_more_than_its_length(text: str) -> None:
    """Sixteen times the text takes about sixteen times as long; what backtracks takes 256 times."""
    short = _steps(text * (16_384 // len(text)))
    long = _steps(text * (262_144 // len(text)))
    # What backtracks takes minutes. The margin is for an interpreter whose caches others share.
    assert long < 64 * short + 5


def test_tags_in_tags_cost_no_more_than_others() -> None:
    """A payload of these must not keep the process from everything else while its page is written."""
    begun = "<a " * 20 + "href=" * 28 + "y" * 253
    # What tries every way to end each of them takes a hundred times as long.
    assert _steps(begun * 120) < 1


def _steps(text: str) -> float:
    began = process_time()
    find(text, {})
    hosts_in(text)
    return process_time() - began
