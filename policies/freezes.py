"""Freeze periods: once, half-open, from one moment until another.

A moment without an offset is what a clock on the wall in the rule's zone shows. The clock shows some
times twice and skips others: a freeze begins when its first moment is shown (or skipped) first, and
ends when its last one is shown for the last time, or skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Freeze:
    """One period in which nothing passes.

    Attributes:
        starts: first moment that is frozen, aware UTC.
        ends: first moment that is open again, aware UTC.
        zone: in which people read these times.
    """

    starts: datetime
    ends: datetime
    zone: ZoneInfo

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
        return not self.starts <= now < self.ends

    def next_opening(self, now: datetime) -> datetime:
        """Return the first moment from now on at which it is open, in UTC; `now` is aware."""
        return now.astimezone(UTC) if self.is_open(now) else self.ends

    @property
    def end_in_words(self) -> str:
        """Its end as the wall clock of its zone shows it."""
        return f"{self.ends.astimezone(self.zone).isoformat(timespec='minutes')} ({self.zone.key})"


def instant(wall: datetime, zone: ZoneInfo, *, last: bool) -> datetime:
    """Return when a clock on the wall shows a time, in UTC.

    Args:
        wall: naive.
        zone: where the clock hangs.
        last: of a time that is shown twice, whether the second is meant.

    Returns:
        For a time that the clock skips: the moment at which it skips it.
    """
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:
        return second if last else first
    # Skipped: read with the offset after the jump it lies before the jump, and the other way round.
    low, high = second, first
    before = low.astimezone(zone).utcoffset()
    while (high - low).total_seconds() > 1:
        middle = low + (high - low) // 2
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
    return high.replace(microsecond=0)
