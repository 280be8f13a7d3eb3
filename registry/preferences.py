"""What a person chose for themselves, as those who write to them read it (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

UTC_NAME: Final = "UTC"


@dataclass(frozen=True, slots=True)
class Preferences:
    """Zone, quiet hours and delegate of one person.

    Attributes:
        zone: IANA name; where the person's clock hangs.
        quiet_from: first time of the wall clock that is quiet; None: no hours are.
        quiet_until: first time of the wall clock that is not quiet any more; at or before `quiet_from` it is a time of
            the next day. None exactly where `quiet_from` is.
        delegate_id: who is told as well, or None.
        delegate_from: first moment at which the delegate is told, aware; None exactly where there is no delegate.
        delegate_until: first moment at which the delegate is not told any more, aware; likewise.
    """

    zone: str = UTC_NAME
    quiet_from: time | None = None
    quiet_until: time | None = None
    delegate_id: int | None = None
    delegate_from: datetime | None = None
    delegate_until: datetime | None = None


def in_quiet_hours(preferences: Preferences, now: datetime) -> bool:
    """Say whether a person wants to be left alone at a moment.

    It is quiet exactly while the clock on the person's wall shows a time in [from, until), as opening hours are
    open (`policies.hours`). That needs no exceptions for daylight saving: a time that the wall clock skips is never
    shown, one that it shows twice counts both times.

    Args:
        preferences: the person's.
        now: aware.

    Raises:
        ValueError: `now` is naive.
    """
    begin, end = preferences.quiet_from, preferences.quiet_until
    shown = at_home(preferences, now).time()
    if begin is None or end is None:
        return False
    return begin <= shown < end if begin < end else shown >= begin or shown < end


def delegate_at(preferences: Preferences, now: datetime) -> int | None:
    """Return the key of the person who is told as well at a moment, or None.

    Being told gives no right: the delegate votes only where they may themselves, and sees only what is theirs to see.
    Whoever tells them looks first whether their account is still active.

    Args:
        preferences: the person's.
        now: aware.
    """
    begin, end = preferences.delegate_from, preferences.delegate_until
    if begin is None or end is None or not begin <= now < end:
        return None
    return preferences.delegate_id


def at_home(preferences: Preferences, moment: datetime) -> datetime:
    """Return a moment by the person's own clock.

    Raises:
        ValueError: the moment is naive.
    """
    if moment.tzinfo is None:
        message = "The time must be aware."
        raise ValueError(message)
    return moment.astimezone(ZoneInfo(preferences.zone))


@cache
def zones() -> tuple[str, ...]:
    """Return the names of the zones that can be chosen: UTC, then regions and cities."""
    places = (name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return (UTC_NAME, *sorted(places))
