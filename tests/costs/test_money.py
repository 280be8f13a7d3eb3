"""Money as text and as integers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs.money import MAX_NANOUSD, format_usd, parse_usd


@pytest.mark.parametrize(
    ("text", "nanousd"),
    [
        ("200.00", 200_000_000_000),
        ("0.05", 50_000_000),
        ("7", 7_000_000_000),
        ("0.000000001", 1),
        ("0", 0),
        ("1000000000", MAX_NANOUSD),
    ],
)
def test_parse_usd_reads_amounts_exactly(text: str, nanousd: int) -> None:
    assert parse_usd(text) == nanousd


@pytest.mark.parametrize(
    "text",
    [
        "", ".5", "5.", "-1", "+1", "1e3", "1,000", "0.0000000001", " 1", "1 ", "1\n", "NaN", "inf", "٣",
        "1000000000.000000001", "99999999999",
    ],
)  # fmt: skip
def test_parse_usd_refuses_other_forms(text: str) -> None:
    with pytest.raises(ValueError, match="USD"):
        parse_usd(text)


@pytest.mark.parametrize(
    ("nanousd", "text"),
    [(200_000_000_000, "200.00"), (50_000_000, "0.05"), (1, "0.000000001"), (-1_500_000_000, "-1.50"), (0, "0.00")],
)
def test_format_usd_writes_two_places_or_more(nanousd: int, text: str) -> None:
    assert format_usd(nanousd) == text


@given(st.integers(0, MAX_NANOUSD))
def test_money_survives_writing_and_reading(nanousd: int) -> None:
    assert parse_usd(format_usd(nanousd)) == nanousd
