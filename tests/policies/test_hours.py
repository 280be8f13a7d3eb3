"""Opening hours: half-open, over midnight, and right when the clock on the wall jumps."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.hours import Hours, next_common_opening

BERLIN = ZoneInfo("Europe/Berlin")
EVERY_DAY = frozenset(range(7))
OFFICE = Hours(BERLIN, frozenset(range(5)), time(9), time(18), frozenset({date(2026, 12, 25)}))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(opens: str, closes: str, zone: str = "Europe/Berlin") -> Hours:
    return Hours(ZoneInfo(zone), EVERY_DAY, time.fromisoformat(opens), time.fromisoformat(closes))


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-23T08:59:59.999999", False),
        ("2026-11-23T09:00", True),
        ("2026-11-23T17:59:59.999999", True),
        ("2026-11-23T18:00", False),
        ("2026-11-22T12:00", False),
        ("2026-12-25T12:00", False),
        ("2026-12-24T12:00", True),
    ],
)
def test_hours_are_half_open(moment: str, is_open: bool) -> None:
    assert OFFICE.is_open(at(moment)) is is_open


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2026-11-23T10:00", "2026-11-23T10:00"),
        ("2026-11-23T08:00", "2026-11-23T09:00"),
        ("2026-11-23T18:00", "2026-11-24T09:00"),
        ("2026-11-27T18:00", "2026-11-30T09:00"),
        ("2026-12-24T18:00", "2026-12-28T09:00"),
    ],
)
def test_next_opening_skips_nights_weekends_and_holidays(moment: str, opening: str) -> None:
    assert OFFICE.next_opening(at(moment)) == at(opening)


def test_window_over_midnight_belongs_to_the_day_on_which_it_opens() -> None:
    nights = Hours(BERLIN, frozenset({4}), time(22), time(6), frozenset({date(2026, 12, 25)}))
    assert nights.is_open(at("2026-11-27T22:00"))
    assert nights.is_open(at("2026-11-28T05:59"))
    assert not nights.is_open(at("2026-11-28T06:00"))
    assert not nights.is_open(at("2026-11-28T22:00"))
    assert not nights.is_open(at("2026-11-27T05:00"))
    assert not nights.is_open(at("2026-12-26T01:00"))
    assert nights.next_opening(at("2026-12-18T07:00")) == at("2026-12-18T22:00")
    assert nights.next_opening(at("2026-12-19T07:00")) == at("2027-01-01T22:00")


def test_midnight_as_the_end_is_the_end_of_the_day() -> None:
    evening, whole = daily("18:00", "00:00"), daily("00:00", "00:00")
    assert evening.is_open(at("2026-11-23T23:59"))
    assert not evening.is_open(at("2026-11-24T00:00"))
    assert whole.is_open(at("2026-11-24T00:00"))
    assert whole.is_open(at("2026-11-23T23:59"))


def test_gap_opens_when_the_clock_arrives() -> None:
    """On 2026-03-29 Berlin's clock goes from 02:00 to 03:00, at 01:00 UTC."""
    gap = daily("02:30", "03:30")
    assert gap.next_opening(utc("2026-03-29T00:00")) == utc("2026-03-29T01:00")
    assert gap.is_open(utc("2026-03-29T01:29"))
    assert not gap.is_open(utc("2026-03-29T01:30"))


def test_window_inside_the_gap_does_not_open_that_day() -> None:
    assert daily("02:15", "02:45").next_opening(utc("2026-03-29T00:00")) == utc("2026-03-30T00:15")


def test_overlap_counts_both_times() -> None:
    """On 2026-10-25 Berlin's clock goes from 03:00 back to 02:00, at 01:00 UTC."""
    twice = daily("02:15", "02:45")
    assert [twice.is_open(utc(f"2026-10-25T{text}")) for text in ("00:15", "00:45", "01:15", "01:45")] == [
        True, False, True, False,
    ]  # fmt: skip
    assert twice.next_opening(utc("2026-10-25T00:45")) == utc("2026-10-25T01:15")
    assert daily("01:00", "02:30").next_opening(utc("2026-10-25T00:30")) == utc("2026-10-25T01:00")


def test_day_of_25_hours_keeps_office_hours() -> None:
    office = daily("09:00", "18:00")
    assert office.next_opening(utc("2026-10-24T16:00")) == utc("2026-10-25T08:00")
    assert office.next_opening(utc("2026-03-28T17:00")) == utc("2026-03-29T07:00")


def test_naive_time_is_an_error() -> None:
    with pytest.raises(ValueError, match="aware"):
        OFFICE.is_open(datetime(2026, 11, 23, 10))  # noqa: DTZ001 - the mistake


def test_never_open_says_so() -> None:
    closed = Hours(
        BERLIN, frozenset({0}), time(9), time(10), frozenset(date(2026, 1, 5) + timedelta(7 * n) for n in range(200))
    )
    assert closed.next_opening(utc("2026-11-23T10:00")) is None
    assert next_common_opening([OFFICE, closed], utc("2026-11-23T18:00")) is None
    assert next_common_opening([daily("09:00", "10:00"), daily("10:00", "11:00")], utc("2026-11-23T18:00")) is None


def test_common_opening_is_when_the_last_one_opens() -> None:
    windows = [OFFICE, daily("11:00", "12:00", "UTC")]
    assert next_common_opening(windows, utc("2026-11-20T18:00")) == utc("2026-11-23T11:00")
    assert next_common_opening([], utc("2026-11-20T18:00")) == utc("2026-11-20T18:00")


@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Sao_Paulo"]),
    st.sampled_from([2015, 2018, 2026]),
    st.integers(0, 365 * 96 - 1),
    st.tuples(st.integers(0, 95), st.integers(0, 95)),
    st.frozensets(st.integers(0, 6), min_size=1),
)
def test_next_opening_is_the_first_open_quarter(
    zone: str, year: int, quarter: int, window: tuple[int, int], days: frozenset[int]
) -> None:
    opens, closes = (time(part // 4, part % 4 * 15) for part in window)
    hours = Hours(ZoneInfo(zone), days, opens, closes)
    now = datetime(year, 1, 1, tzinfo=UTC) + quarter * timedelta(minutes=15)
    scan = (now + step * timedelta(minutes=15) for step in range(9 * 96))
    assert hours.next_opening(now) == next((moment for moment in scan if hours.is_open(moment)), None)
