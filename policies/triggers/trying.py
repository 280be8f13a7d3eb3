"""When a history would have fired a trigger (pure).

The same arithmetic as the live watch: amounts by whole minutes, a sliding window that holds the present
minute and all those before it into which it reaches, one firing per excursion, armed again by falling
to the threshold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final

MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Excursion:
    """One time above the threshold.

    Attributes:
        at: the minute in which it fires, its beginning.
        measured: what was counted then.
        highest: the most that was counted before it fell.
        until: the minute in which it fell to the threshold; None: it had not yet.
    """

    at: datetime
    measured: int
    highest: int
    until: datetime | None


def minute_of(moment: datetime) -> datetime:
    """Return the beginning of a moment's minute."""
    return moment.replace(second=0, microsecond=0)


def excursions(
    points: Iterable[tuple[datetime, int]], *, more_than: int, window_seconds: int, until: datetime
) -> list[Excursion]:
    """Return every excursion of one subject.

    Args:
        points: minute and amount, in the order of the minutes, of which one may come twice; amounts are positive.
        more_than: fires above it.
        window_seconds: whole minutes.
        until: the history's end.
    """
    # A minute is in it as long as one of its moments may be.
    window = timedelta(seconds=window_seconds) + MINUTE
    inside: deque[tuple[datetime, int]] = deque()
    total = highest = 0
    fired: tuple[datetime, int] | None = None
    found: list[Excursion] = []

    def step(now: datetime, amount: int) -> None:
        """Move to a minute: what leaves the window then goes, what comes then is added."""
        nonlocal total, fired, highest
        while inside and inside[0][0] + window <= now:
            total -= inside.popleft()[1]
        if amount:
            inside.append((now, amount))
            total += amount
        if fired is not None and total <= more_than:
            found.append(Excursion(*fired, highest, now))
            fired = None
        elif fired is None and total > more_than:
            fired, highest = (now, total), total
        highest = max(highest, total)

    for minute, group in groupby(points, key=itemgetter(0)):
        while inside and inside[0][0] + window < minute:
            step(inside[0][0] + window, 0)
        step(minute, sum(amount for _, amount in group))
    while inside and inside[0][0] + window <= until:
        step(inside[0][0] + window, 0)
    if fired is not None:
        found.append(Excursion(*fired, highest, None))
    return found
