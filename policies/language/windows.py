"""Reading when rules are open: hours and freeze periods."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from policies.freezes import Freeze, instant
from policies.hours import MIDNIGHT, Hours
from registry.documents import Section, join

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)


def read_hours(section: Section) -> Hours | None:
    """Read the keys of an ``hours``; None where they have a defect."""
    zone = _zone(section, required=True)
    days = _days(section)
    opens, closes = _clock(section, "from"), _clock(section, "until")
    holidays = _holidays(section)
    if opens is None or closes is None or zone is None:
        return None
    if opens == closes and section.take("until") != "24:00":
        section.add("until", "out_of_range", "Nothing is open from a time until the same time.")
    return Hours(zone, days, opens, closes, holidays)


def _zone(section: Section, *, required: bool) -> ZoneInfo | None:
    name = section.text("zone", required=required)
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        section.add("zone", "unknown_zone", f"“{name}” is not an IANA time zone, such as Europe/Berlin.")
        return None


def _days(section: Section) -> frozenset[int]:
    if not section.has("days"):
        return frozenset(range(7))
    days: set[int] = set()
    for where, text in section.texts("days"):
        first, _, last = text.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS or text.endswith("-"):
            section.problems.add(where, "unknown_value", "Write days as mon, or as mon-fri; or a list of these.")
            continue
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        # fri-mon goes round the end of the week.
        days.update(day % 7 for day in range(start, end + 1 if end >= start else end + 8))
    return frozenset(days)


def _clock(section: Section, key: str) -> time | None:
    value = section.take(key, required=True)
    if not section.has(key):
        return None
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return time.fromisoformat(value)
    if key == "until" and value == "24:00":
        return MIDNIGHT
    section.add(key, "invalid_time", 'Write a time of day in quotes: "09:00".')
    return None


def _holidays(section: Section) -> frozenset[date]:
    found = set()
    for index, item in enumerate(section.items("holidays")):
        day = as_date(item)
        if day is None:
            where = join(section.at("holidays"), index)
            section.problems.add(where, "invalid_date", "Write a holiday as a date: 2026-12-25.")
        else:
            found.add(day)
    return frozenset(found)


def as_date(value: object) -> date | None:
    """Return a date from YAML's own form or from text, None for anything else."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return None


def read_freeze(section: Section) -> Freeze | None:
    """Read the keys of a ``freeze``; None where they have a defect."""
    zone = _zone(section, required=False)
    if section.has("zone") and zone is None:
        section.take("from", required=True)
        section.take("until", required=True)
        return None
    starts, ends = _moment(section, "from", zone, last=False), _moment(section, "until", zone, last=True)
    if starts is None or ends is None:
        return None
    if starts >= ends:
        section.add("until", "out_of_range", "A freeze ends after it begins.")
    return Freeze(starts, ends, zone or ZoneInfo("UTC"))


def _moment(section: Section, key: str, zone: ZoneInfo | None, *, last: bool) -> datetime | None:
    """Return a moment in UTC: with an offset of its own, or as the wall clock of the zone shows it."""
    value = section.take(key, required=True)
    if not section.has(key):
        return None
    moment = _as_moment(value)
    if moment is None:
        section.add(key, "invalid_time", 'Write a date, or a time in quotes: 2026-12-24, "2026-12-24T18:00".')
        return None
    try:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        if zone is not None:
            return instant(moment, zone, last=last)
    except OverflowError:
        section.add(key, "out_of_range", "No calendar goes that far.")
        return None
    section.add(key, "missing_zone", "Without an offset (+01:00) the rule needs a zone, such as Europe/Berlin.")
    return None


def _as_moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return None if value.microsecond else value
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    day = as_date(value)
    return datetime.combine(day, MIDNIGHT) if day is not None else None
