"""Numbers, times, foreign text and differences, as people read them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import dumps
from controlplane.console import charts, diffs, formats, text
from controlplane.console.tags import make_visible

NOW = datetime(2026, 11, 23, 17, 48, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("nanousd", "unpriced", "written"),
    [
        (1_284_170_000_000, 0, "$1,284.17"),
        (4_100_000, 0, "$0.0041"),
        (1, 0, "under $0.0001"),
        (0, 0, "$0.00"),
        (None, 0, "unpriced"),
        (12_400_000_000, 3, "$12.40 + 3 unpriced"),
        (0, 3, "3 unpriced"),
        (-5_000_000_000, 0, "−$5.00"),
    ],
)
def test_money_is_never_a_false_zero(nanousd: int | None, unpriced: int, written: str) -> None:
    assert formats.money(nanousd, unpriced=unpriced) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.003, "3 ms"), (1.4, "1.4 s"), (42, "42 s"), (252, "4 min 12 s"), (3600, "1 h"), (93_784, "1 d 2 h")],
)
def test_duration_has_two_units_at_most(seconds: float, written: str) -> None:
    assert formats.duration(timedelta(seconds=seconds)) == written


def test_times_are_relative_until_a_week() -> None:
    assert formats.relative(NOW - timedelta(minutes=3), now=NOW) == "3 min ago"
    assert formats.relative(NOW - timedelta(days=8), now=NOW) == "15 Nov 2026"
    assert formats.deadline(NOW + timedelta(minutes=12), now=NOW) == "in 12 min (18:00 UTC)"


def test_a_rate_of_few_is_a_count() -> None:
    assert formats.rate(7, 331) == "2.1 % (7 of 331)"
    assert formats.rate(1, 12) == "1 of 12"


@pytest.mark.parametrize(
    "hidden",
    [
        "\u202e",
        "\u200b",
        "\u2066",
        "\u00ad",
        "\ufeff",
        "\u00a0",
        "\u3164",
        "\ufe0f",
        "\u0007",
        "\U000e0041",
        "\u2028",
        "\ue000",
    ],
)
def test_every_hidden_character_is_boxed_with_its_name(hidden: str) -> None:
    drawn = make_visible(f"a{hidden}b")
    assert hidden not in drawn
    assert f"U+{ord(hidden):04X}" in drawn
    assert "cp-hidden" in drawn


def test_ordinary_writing_is_left_alone() -> None:
    for words in ("Grüße aus Köln", "日本語", "مرحبا", "naïve – “quotes” …", "line\nline\ttab"):
        assert text.hidden_count(words) == 0
        assert make_visible(words) == words


def test_markup_is_escaped_and_not_run() -> None:
    assert make_visible('<script>alert("x")</script>') == "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;"


@given(JSON)
def test_the_laid_out_form_says_the_same_as_the_bytes(value: object) -> None:
    assert dumps(json.loads(text.pretty(value))) == dumps(value)


@given(JSON)
def test_the_editor_shows_everything_and_changes_nothing(value: object) -> None:
    shown = text.escaped(text.pretty(value))
    assert text.hidden_count(shown) == 0
    assert dumps(json.loads(shown)) == dumps(value)


@given(st.lists(st.sampled_from("abcd"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
def test_a_diff_holds_every_line_that_changed(before: list[str], after: list[str]) -> None:
    found = diffs.line_diff("\n".join(before), "\n".join(after))
    removed = sum(line.sign == "-" for line in found)
    added = sum(line.sign == "+" for line in found)
    assert len(after or [""]) - len(before or [""]) == added - removed
    assert (found == []) == (before == after)


def test_a_changed_word_is_marked_in_its_line() -> None:
    old, new = diffs.line_diff('"subject": "Second"', '"subject": "Better"')
    assert [part.text for part in old.parts if part.changed] == ["Second"]
    assert [part.text for part in new.parts if part.changed] == ["Better"]


def test_a_meter_past_its_limit_marks_where_the_limit_was() -> None:
    over = charts.meter(settled=150, reserved=50, limit=100)
    assert (over.mark, over.settled, over.reserved, over.percent, over.over) == (50, 75, 25, 150, True)


def test_a_step_outside_its_run_is_drawn_at_the_edge() -> None:
    span = charts.span(
        began=NOW - timedelta(hours=1), ended=NOW + timedelta(hours=2), start=NOW, end=NOW + timedelta(hours=1)
    )
    assert (span.offset, span.width) == (0, 100)


@pytest.mark.parametrize("end", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_moments_that_a_zone_does_not_have_are_written_in_utc(end: datetime) -> None:
    for zone in (ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")):
        assert str(end.year) in formats.absolute(end, zone)
        assert formats.deadline(end, now=datetime(2026, 11, 29, tzinfo=UTC), zone=zone)
