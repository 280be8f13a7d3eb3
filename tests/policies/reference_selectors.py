"""Selectors and hours once more, read from their text, for the reference evaluator."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
STEP = timedelta(minutes=15)


def many(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def verb_matches(pattern: str, verb: str) -> bool:
    parts = [".+" if part == "**" else "[^.]+" if part == "*" else re.escape(part) for part in pattern.split(".")]
    return re.fullmatch(r"\.".join(parts), verb) is not None


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
