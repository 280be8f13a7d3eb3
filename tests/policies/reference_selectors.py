"""Selectors, hours and freezes once more, read from their text, for the reference evaluator."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from policies.facts import Action, Subject

WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
STEP = timedelta(minutes=15)


def many(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


@cache
def verb_matches(pattern: str, verb: str) -> bool:
    parts = [".+" if part == "**" else "[^.]+" if part == "*" else re.escape(part) for part in pattern.split(".")]
    return re.fullmatch(r"\.".join(parts), verb) is not None


@cache
def destination_matches(pattern: str, text: str) -> bool:
    if "://" in pattern:
        mine, its = urlsplit(pattern), urlsplit(text)
        default = {"http": 80, "https": 443}
        if mine.scheme != its.scheme or (mine.port or default[mine.scheme]) != (its.port or default[its.scheme]):
            return False
        host, wanted = its.hostname or "", mine.hostname or ""
        if not (host.endswith(wanted[1:]) and len(host) >= len(wanted) if wanted[0] == "*" else host == wanted):
            return False
        path = mine.path or "/"
        return its.path.startswith(path[:-1]) if path.endswith("*") else its.path == path
    kind, _, value = pattern.partition(":")
    its_kind, _, its_value = text.partition(":")
    if kind == "email":
        local, _, host = its_value.rpartition("@")
        its_value, value = f"{local.lower()}@{host}", value.lower()
        if value.startswith("*@"):
            return its_kind == kind and host == value[2:]
    if kind != its_kind or value == "*":
        return kind == its_kind
    if value.endswith("/*"):
        return its_value.startswith(value[:-1]) and "/" not in its_value[len(value) - 1 :]
    return value == its_value


def is_open(rule: dict[str, Any], now: datetime) -> bool:
    if len(rule["from"]) > len("09:00"):
        return not frozen_until(rule, now)
    wall = now.astimezone(ZoneInfo(rule["zone"]))
    days = set()
    for text in many(rule.get("days", "mon-sun")):
        first, _, last = text.partition("-")
        index = WEEK.index(first)
        days.add(first)
        while last and WEEK[index % 7] != last:
            index += 1
            days.add(WEEK[index % 7])
    holidays = {str(day) for day in rule.get("holidays", [])}

    def opens_on(day: date) -> bool:
        return WEEK[day.weekday()] in days and str(day) not in holidays

    shown, start, end = wall.strftime("%H:%M"), rule["from"], rule["until"]
    if start < end:
        return bool(opens_on(wall.date()) and start <= shown < end)
    yesterday = wall.date() - timedelta(days=1)
    return bool((opens_on(wall.date()) and shown >= start) or (opens_on(yesterday) and shown < end))


def next_open(rules: list[dict[str, Any]], now: datetime) -> datetime | None:
    moment = datetime.fromtimestamp(now.timestamp() // 900 * 900, UTC)
    for _ in range(30 * 96):
        moment += STEP
        if all(is_open(rule, moment) for rule in rules):
            return moment
    return None


def frozen_until(rule: dict[str, Any], now: datetime) -> datetime | None:
    starts, ends = (
        _edge(rule["from"], rule.get("zone", ""), last=False),
        _edge(rule["until"], rule.get("zone", ""), last=True),
    )
    return ends if starts <= now < ends else None


@cache
def _edge(text: str, zone: str, *, last: bool) -> datetime:
    wanted = datetime.fromisoformat(text)
    if wanted.tzinfo:
        return wanted.astimezone(UTC)
    around = wanted.replace(tzinfo=UTC) - timedelta(days=1)
    moments = [around + number * STEP for number in range(2 * 96)]
    shown = [(moment, moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for moment in moments]
    if last:
        return max(moment for moment, wall in shown if wall < wanted) + STEP
    return min(moment for moment, wall in shown if wall >= wanted)


def leaves(value: Any, at: str = "") -> list[str]:
    if isinstance(value, dict) and value:
        return [leaf for key, item in value.items() for leaf in leaves(item, f"{at}/{key}")]
    if isinstance(value, list) and value:
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, f"{at}/{index}")]
    return [at]


def within(leaf: str, pointer: str) -> bool:
    return leaf == pointer or leaf.startswith(f"{pointer}/")


def tainted_by(rule: dict[str, Any]) -> set[str]:
    said = rule.get("provenance")
    return set(many(said["from"] if isinstance(said, dict) else said))


def sources(payload: Any, claims: Any, said: Any) -> set[str]:
    places = many(said["at"]) if isinstance(said, dict) else [""]
    found = set()
    for leaf in leaves(payload):
        if any(re.match(re.escape(place).replace(r"\*", "[^/]+") + "(?:/|$)", leaf) for place in places):
            about = sorted((pointer for pointer in claims if within(leaf, pointer)), key=len)
            found.add(claims[about[-1]] if about else "web")
    return found


class NoAnswer(Exception):
    """The condition has none."""


def _must(value: Any) -> Any:
    if value is None:
        raise NoAnswer
    return value


CONDITIONS: dict[str, Callable[[Action, Subject, datetime], bool]] = {
    "true": lambda a, s, now: True,
    "action.units > 2": lambda a, s, now: a.units > 2,
    "action.units % 2 == 1 ? action.units < 20 : action.units > 2": lambda a, s, now: (
        a.units < 20 if a.units % 2 == 1 else a.units > 2
    ),
    "has(action.amount) && action.amount.nano > 100 * 1000000000": lambda a, s, now: bool(
        a.amount and a.amount.value > 100
    ),
    "has(action.amount) && action.amount.currency != 'EUR'": lambda a, s, now: bool(
        a.amount and a.amount.currency != "EUR"
    ),
    "action.amount.nano >= 0": lambda a, s, now: _must(a.amount).value >= 0,
    "'hr' in agent.tags": lambda a, s, now: "hr" in s.tags,
    "agent.environment == 'production' || agent.team == 'talent'": lambda a, s, now: (
        s.environment == "production" or s.team == "talent"
    ),
    "action.destinations.exists(d, d.endsWith('@acme.com'))": lambda a, s, now: any(
        one.text.endswith("@acme.com") for one in a.destinations
    ),
    "size(action.destinations) > 1": lambda a, s, now: len(a.destinations) > 1,
    "has(action.payload.to) && action.payload.to.all(x, x.contains('acme'))": lambda a, s, now: (
        "to" in a.payload  # type: ignore[operator]
        and all("acme" in one for one in a.payload["to"])
    ),  # type: ignore[index]
    "action.payload.url.startsWith('https://jobs')": lambda a, s, now: _must(a.payload.get("url")).startswith(  # type: ignore[attr-defined]
        "https://jobs"
    ),
    "!(action.capability in ['read', 'notify'])": lambda a, s, now: a.capability not in {"read", "notify"},
    "now.getHours() < 12 || now > timestamp('2026-10-01T00:00:00Z')": lambda a, s, now: (
        now.astimezone(UTC).hour < 12 or now > datetime(2026, 10, 1, tzinfo=UTC)
    ),
    "action.units": lambda a, s, now: _must(None),
}
