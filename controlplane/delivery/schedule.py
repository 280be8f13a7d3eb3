"""When a message is tried again (pure): Standard Webhooks' recommended schedule, ten attempts over three days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

# Before the attempt of this number, the first at once.
WAITS: Final = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MOST_ATTEMPTS: Final = len(WAITS)
JITTER: Final = 0.1
# All waits at their longest, and a day: what is still open then was held back by a breaker, and is given up.
LONGEST_LIFE: Final = sum(WAITS, timedelta(0)) * (1 + JITTER) + timedelta(days=1)

# A breaker opens after this many failures in a row and probes ever more rarely.
BREAKS_AFTER: Final = 5
_PROBES: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30))

# A receiver that says "not yet" (n8n's 409 "is running already") is asked again soon, this often.
SOON: Final = timedelta(seconds=1)
MOST_SOON: Final = 20


def next_attempt(attempts: int, *, now: datetime, chance: float) -> datetime | None:
    """Return when to try again, None when there is no further attempt.

    Args:
        attempts: how many failed, 1 or more.
        now: aware UTC.
        chance: from 0 to 1, evenly distributed: spreads the wait by a tenth either way, so that what failed together
            does not come back together.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    return now + WAITS[attempts] * (1 - JITTER + 2 * JITTER * chance)


def next_probe(failures: int, *, now: datetime) -> datetime:
    """Return when a broken endpoint is probed next.

    Args:
        failures: failures in a row, `BREAKS_AFTER` or more.
        now: aware UTC.
    """
    return now + _PROBES[min(failures - BREAKS_AFTER, len(_PROBES) - 1)]
