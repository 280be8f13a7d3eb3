"""Reading one rule of a policy document."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from policies.hours import MIDNIGHT, Hours
from policies.language.shapes import KINDS, LIMIT_BY, Limit, Rule
from policies.selectors import SelectorInvalid, Selectors, parse_destination_pattern, parse_verb_pattern
from registry.amounts import AmountInvalid, Money, parse_money
from registry.catalogue import CAPABILITIES
from registry.documents import SLUG, Problems, Section, join

_SELECTORS: Final = ("verb", "destination", "data_class", "capability", "amount_over")
# Keys of each kind, in the order in which they are written back.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "allow": ("name", *_SELECTORS, "batch"),
    "review": ("name", *_SELECTORS, "batch", "queue"),
    "forbid": ("name", *_SELECTORS),
    "limit": ("name", *_SELECTORS, "units", "per", "by"),
    "hours": ("name", *_SELECTORS, "zone", "days", "from", "until", "holidays"),
}
_LATER_KINDS: Final = frozenset({"split", "freeze"})
_LATER_KEYS: Final = ("provenance", "when")
LATER: Final = "arrives in a later version"
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_Pattern = TypeVar("_Pattern")


def read_rule(problems: Problems, pointer: str, raw: object) -> Rule | None:
    """Read ``{kind: {name: …, …}}``.

    Args:
        problems: where defects go.
        pointer: where the rule stands.
        raw: what stands there.

    Returns:
        None where not even kind and name can be told.
    """
    outer = Section(problems, pointer, raw)
    kinds = outer.names()
    if outer.broken:
        return None
    if len(kinds) != 1:
        problems.add(pointer, "wrong_type", f"A rule has exactly one kind: {', '.join(KINDS)}.")
        return None
    kind = kinds[0]
    if kind in _LATER_KINDS:
        outer.add(kind, "later_version", f"“{kind}” {LATER}.")
        return None
    if kind not in KINDS:
        outer.add(kind, "unknown_field", f"“{kind}” is not a kind of rule; known are {', '.join(KINDS)}.")
        return None
    section = Section(problems, outer.at(kind), outer.take(kind))
    return None if section.broken else _read(kind, section)


def _read(kind: str, section: Section) -> Rule | None:
    name = section.text("name", required=True)
    if name is not None and SLUG.fullmatch(name) is None:
        section.add("name", "invalid_name", f"“{name}” is not a slug (a-z, 0-9, - and _).")
    for key in _LATER_KEYS:
        if section.has(key):
            section.take(key)
            section.add(key, "later_version", f"“{key}” {LATER}.")
    selectors = _selectors(kind, section)
    batch = section.integer("batch") if kind in {"allow", "review"} else None
    queue = section.text("queue", required=True) if kind == "review" else None
    limit = _limit(section) if kind == "limit" else None
    hours = _hours(section) if kind == "hours" else None
    section.close()
    return None if name is None else Rule(kind, name, selectors, batch, queue, limit, hours)


def _selectors(kind: str, section: Section) -> Selectors:
    verbs = _patterns(section, "verb", parse_verb_pattern)
    destinations = _patterns(section, "destination", parse_destination_pattern)
    capabilities = section.texts("capability")
    for where, text in capabilities:
        if text not in CAPABILITIES:
            section.problems.add(where, "unknown_value", f"“{text}” is not one of {', '.join(CAPABILITIES)}.")
    return Selectors(
        verbs=verbs,
        destinations=destinations,
        data_classes=frozenset(section.slugs("data_class")),
        capabilities=frozenset(text for _, text in capabilities),
        amount_over=_amount_over(kind, section),
    )


def _patterns(section: Section, key: str, read: Callable[[str], _Pattern]) -> tuple[_Pattern, ...]:
    found = []
    for where, text in section.texts(key):
        try:
            found.append(read(text))
        except SelectorInvalid as error:
            section.problems.add(where, "invalid_pattern", str(error))
    return tuple(found)


def _amount_over(kind: str, section: Section) -> Money | None:
    raw = section.take("amount_over")
    if not section.has("amount_over"):
        return None
    if kind == "allow":
        # It would permit the large and not the small.
        section.add("amount_over", "not_here", "An allow has no amount_over; put it into a review or forbid.")
        return None
    try:
        return parse_money(raw)
    except AmountInvalid as error:
        section.problems.add(section.at("amount_over") + error.pointer, "invalid_amount", error.detail)
        return None


def _limit(section: Section) -> Limit | None:
    units = section.integer("units", required=True)
    seconds = section.duration("per", required=True)
    by = section.choice("by", LIMIT_BY)
    return None if units is None or seconds is None else Limit(units, seconds, by)


def _hours(section: Section) -> Hours | None:
    zone = _zone(section)
    days = _days(section)
    opens, closes = _clock(section, "from"), _clock(section, "until")
    holidays = _holidays(section)
    if opens is None or closes is None or zone is None:
        return None
    if opens == closes and section.take("until") != "24:00":
        section.add("until", "out_of_range", "Nothing is open from a time until the same time.")
    return Hours(zone, days, opens, closes, holidays)


def _zone(section: Section) -> ZoneInfo | None:
    name = section.text("zone", required=True)
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
