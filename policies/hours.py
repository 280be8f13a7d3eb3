"""Opening hours: half-open, in an IANA zone, by the clock on the wall there.

It is open exactly when a clock on the wall in the zone shows a time in [opens, closes) of an
opening day. That definition needs no exceptions for daylight saving: a time that the wall clock
skips is never shown, one that it shows twice counts both times. A window over midnight belongs to
the day on which it opens, with that day's weekday and holiday.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

HORIZON: Final = timedelta(days=400)
MIDNIGHT: Final = time(0)
_DAY: Final = timedelta(days=1)
# Windows that exclude each other would else be compared day by day up to the horizon.
_TRIES: Final = 200
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """One daily window.

    Attributes:
        zone: where the wall clock hangs.
        days: weekdays on which the window opens, Monday is 0.
        opens: first moment that is open.
        closes: first moment that is closed again; ``00:00`` is the end of the day; at or before
            `opens` it is a time of the next day.
        holidays: dates on which the window does not open.
    """

    zone: ZoneInfo
    days: frozenset[int]
    opens: time
    closes: time
    holidays: frozenset[date] = frozenset()

    def is_open(self, now: datetime) -> bool:
        """Say whether it is open.

        Args:
            now: aware.

        Raises:
            ValueError: `now` is naive.
        """
        if now.tzinfo is None:
            message = "The time must be aware."
            raise ValueError(message)
        wall = now.astimezone(self.zone)
        shown, day = wall.time(), wall.date()
        if self.closes > self.opens:
            return self.opens <= shown < self.closes and self._opens_on(day)
        return (shown >= self.opens and self._opens_on(day)) or (shown < self.closes and self._opens_on(day - _DAY))

    def next_opening(self, now: datetime) -> datetime | None:
        """Return the first moment from now on at which it is open, in UTC.

        Args:
            now: aware; returned where it is open now.

        Returns:
            None where it stays closed for `HORIZON`.
        """
        if self.is_open(now):
            return now.astimezone(UTC)
        today = now.astimezone(self.zone).date()
        for ahead in range(HORIZON.days):
            day = today + ahead * _DAY
            moments = self._begins(day, now)
            if moments:
                # Where the clock jumps back over midnight, two dates alternate.
                return min(moments + self._begins(day + _DAY, now))
        return None

    def _opens_on(self, day: date) -> bool:
        return day.weekday() in self.days and day not in self.holidays

    def _begins(self, day: date, now: datetime) -> list[datetime]:
        """Return moments of a day after `now` that are open and among which its first open one is."""
        moments = self._jump(day)
        if self._opens_on(day):
            for fold in (0, 1):
                local = datetime.combine(day, self.opens.replace(fold=fold), self.zone)
                moments.append(local.astimezone(UTC))
        return [moment for moment in moments if moment > now and self.is_open(moment)]

    def _jump(self, day: date) -> list[datetime]:
        """Return the moment of a day at which the wall clock jumps; zones make one a day at most."""
        low, high = (datetime.combine(edge, MIDNIGHT, self.zone).astimezone(UTC) for edge in (day, day + _DAY))
        before = low.astimezone(self.zone).utcoffset()
        if high.astimezone(self.zone).utcoffset() == before:
            return []
        while high - low > _INSTANT:
            middle = low + (high - low) // 2
            if middle.astimezone(self.zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        return [high]


class Window(Protocol):
    """What is open at some moments: hours, and all but a freeze."""

    def next_opening(self, now: datetime) -> datetime | None:
        """Return the first open moment from `now` on, in UTC; None where there is none in sight."""


def next_common_opening(hours: Iterable[Window], now: datetime) -> datetime | None:
    """Return the first moment from now on at which all are open, in UTC.

    Args:
        hours: windows that all apply.
        now: aware.

    Returns:
        None where one never is within `HORIZON`, or they seem never to be open together.
    """
    windows = tuple(hours)
    moment = now.astimezone(UTC)
    for _ in range(_TRIES):
        openings = [window.next_opening(moment) for window in windows]
        latest = moment
        for opening in openings:
            if opening is None:
                return None
            latest = max(latest, opening)
        if latest == moment:
            return moment
        moment = latest
    return None
