"""Periods in zones, across DST."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs.periods import Period, is_zone, period_at
from costs.states import Per

# Among them: half-hour DST, DST at midnight, a skipped day (Apia 2011), clocks set back into the day before.
ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Asia/Kathmandu",
    "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "Africa/Cairo", "America/Godthab",
]  # fmt: skip


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("per", "zone", "moment", "start", "end"),
    [
        ("day", "UTC", "2026-11-23T10:00", "2026-11-23T00:00", "2026-11-24T00:00"),
        ("day", "Europe/Berlin", "2026-11-23T23:30", "2026-11-23T23:00", "2026-11-24T23:00"),
        # Spring forward: 23 hours. Autumn back: 25 hours.
        ("day", "Europe/Berlin", "2026-03-29T10:00", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("day", "Europe/Berlin", "2026-10-25T10:00", "2026-10-24T22:00", "2026-10-25T23:00"),
        ("week", "UTC", "2026-11-29T23:59:59.999999", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("week", "UTC", "2027-01-01T00:00", "2026-12-28T00:00", "2027-01-04T00:00"),
        ("week", "America/New_York", "2026-11-01T12:00", "2026-10-26T04:00", "2026-11-02T05:00"),
        ("month", "UTC", "2028-02-29T12:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("month", "Europe/Berlin", "2026-12-31T23:30", "2026-12-31T23:00", "2027-01-31T23:00"),
        ("month", "Europe/Berlin", "2026-10-31T22:59", "2026-09-30T22:00", "2026-10-31T23:00"),
        # Clocks jumped from midnight to one o'clock: the day begins at the jump.
        ("day", "America/Sao_Paulo", "2018-11-04T12:00", "2018-11-04T03:00", "2018-11-05T02:00"),
        # Apia had no 30 December 2011.
        ("day", "Pacific/Apia", "2011-12-30T09:00", "2011-12-29T10:00", "2011-12-30T10:00"),
    ],
)
def test_period_at_known_moments(per: str, zone: str, moment: str, start: str, end: str) -> None:
    assert period_at(per, zone, utc(moment)) == Period(utc(start), utc(end))


@given(
    st.sampled_from(Per.values),
    st.sampled_from(ZONES),
    st.integers(631_152_000_000_000, 2_114_380_800_000_000),
)
def test_periods_cover_time_without_gap_or_overlap(per: str, zone: str, microseconds: int) -> None:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)
    period = period_at(per, zone, moment)
    assert moment in period
    assert period_at(per, zone, period.start) == period
    assert period_at(per, zone, period.end - timedelta(microseconds=1)) == period
    after = period_at(per, zone, period.end)
    assert after.start == period.end < after.end


@pytest.mark.parametrize("zone", ZONES)
def test_periods_follow_each_other_through_the_years(zone: str) -> None:
    moment, end = utc("1999-12-20T00:00"), utc("2012-02-01T00:00")
    period = period_at("day", zone, moment)
    while period.end < end:
        following = period_at("day", zone, period.end)
        assert following.start == period.end
        assert timedelta(hours=20) < following.end - following.start < timedelta(hours=28)
        period = following


def test_period_at_takes_any_offset() -> None:
    moment = datetime(2026, 11, 24, 0, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert period_at("day", "UTC", moment).start == utc("2026-11-23T00:00")


def test_period_at_refuses_another_length() -> None:
    with pytest.raises(ValueError, match="no period"):
        period_at("year", "UTC", utc("2026-11-23T10:00"))


@pytest.mark.parametrize(
    ("name", "known"),
    [("UTC", True), ("Europe/Berlin", True), ("../etc/passwd", False), ("Europe", False), ("", False)],
)
def test_is_zone_knows_iana_names_only(name: str, known: bool) -> None:
    assert is_zone(name) is known
