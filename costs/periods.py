"""Days, weeks and months in an IANA zone (pure).

The periods of a zone follow each other without gap or overlap, across DST and days that a zone
skipped: every moment lies in exactly one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from costs.states import Per


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open stretch of time.

    Attributes:
        start: its first moment, aware UTC.
        end: the first moment after it, aware UTC.
    """

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


def is_zone(name: str) -> bool:
    """Say whether a name is an IANA zone."""
    return name in available_timezones()


def period_at(per: str, zone: str, moment: datetime) -> Period:
    """Return the period that a moment lies in.

    Args:
        per: of `costs.states.Per`; weeks begin on Monday (ISO 8601).
        zone: IANA zone.
        moment: aware.

    Raises:
        ZoneInfoNotFoundError: no such zone.
    """
    first = _first_day(per, moment.astimezone(ZoneInfo(zone)).date())
    period = _period(per, zone, first)
    # Where clocks change around midnight, a moment's local date may not be that of its period.
    while moment < period.start:
        first = _first_day(per, first - timedelta(days=1))
        period = _period(per, zone, first)
    while moment >= period.end:
        first = _next_first_day(per, first)
        period = _period(per, zone, first)
    return period


@lru_cache(maxsize=4096)
def _period(per: str, zone: str, first: date) -> Period:
    return Period(_midnight(zone, first), _midnight(zone, _next_first_day(per, first)))


def _midnight(zone: str, day: date) -> datetime:
    # In a gap, fold 0 counts with the offset before it: the moment at which the clocks jump.
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _first_day(per: str, day: date) -> date:
    if per == Per.DAY:
        return day
    if per == Per.WEEK:
        return day - timedelta(days=day.weekday())
    if per == Per.MONTH:
        return day.replace(day=1)
    raise ValueError(f"{per} is no period")


def _next_first_day(per: str, first: date) -> date:
    if per == Per.DAY:
        return first + timedelta(days=1)
    if per == Per.WEEK:
        return first + timedelta(days=7)
    return (first.replace(day=1) + timedelta(days=32)).replace(day=1)
