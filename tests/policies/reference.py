"""The policies' semantics once more, without any cleverness: the documents, read from top to bottom.

Shares nothing with the product but the facts and the normalised text of destinations.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from policies.facts import Action, Subject

WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
STEP = timedelta(minutes=15)


@dataclass(frozen=True)
class Answer:
    effect: str
    codes: frozenset[tuple[str | None, str | None, str]]
    queues: tuple[str, ...] = ()
    limits: frozenset[tuple[str, str, str, int, int, int]] = frozenset()
    retry_at: datetime | None = None


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


def about(policy: dict[str, Any], subject: Subject) -> bool:
    scope = policy.get("applies_to", {})
    mine = {
        "agents": {subject.agent}, "teams": {subject.team}, "tags": subject.tags, "environments": {subject.environment}
    }  # fmt: skip
    return all(mine[key] & set(many(scope[key])) for key in scope)


def evaluate(
    document: dict[str, Any], verbs: dict[str, Any], subject: Subject, action: Action, now: datetime
) -> Answer:
    spec = verbs[action.verb]
    places: list[str | None] = [one.text for one in action.destinations] or [None]
    forbids, allows, reviews, oversize, limits, closed = [], [], [], [], [], []
    permitted: set[int] = set()
    for slug, policy in document.items():
        for kind, rule in (pair for item in policy["rules"] for pair in item.items()):
            if policy.get("mode") == "shadow" or not about(policy, subject):
                continue
            verb, patterns = many(rule.get("verb", "**")), many(rule.get("destination"))
            if not any(verb_matches(one, action.verb) for one in verb):
                continue
            if spec["capability"] not in many(rule.get("capability", spec["capability"])):
                continue
            over = rule.get("amount_over")
            if over and (not action.amount or (
                action.amount.currency == over["currency"] and action.amount.value <= Decimal(over["value"])
            )):  # fmt: skip
                continue
            labels, catalogued = set(many(rule.get("data_class"))), set(spec.get("data_classes", []))
            if labels and not labels & (set(action.data_classes) | catalogued):
                continue
            hits = {
                index for index, place in enumerate(places)
                if not patterns or (place and any(destination_matches(one, place) for one in patterns))
            }  # fmt: skip
            if not hits:
                continue
            where = (slug, rule["name"])
            if kind == "forbid":
                forbids.append((*where, "forbidden"))
            elif kind == "limit":
                limits += demands(where, rule, spec, subject, action, hits)
            elif kind == "hours":
                closed += [] if is_open(rule, now) else [(where, rule)]
            else:
                if kind == "review":
                    reviews.append((where, rule))
                if labels and not labels & catalogued:
                    continue
                if action.units > rule.get("batch", action.units):
                    oversize.append((where, hits))
                    continue
                permitted |= hits
                allows += [(*where, "allowed")] if kind == "allow" else []
    if forbids:
        return Answer("deny", frozenset(forbids))
    missing = set(range(len(places))) - permitted
    if missing:
        fewer = [(where, hits) for where, hits in oversize if hits & missing]
        codes: set[Any] = {(*where, "batch_too_large") for where, _ in fewer}
        if missing - {index for _, hits in fewer for index in hits}:
            codes.add((None, None, "no_rule"))
        return Answer("deny", frozenset(codes))
    never = frozenset((one[0], one[1], "rate_limited") for one in limits if one[3] > one[4])
    if never:
        return Answer("deny", never)
    if closed:
        retry_at = next_open([rule for _, rule in closed], now)
        codes = {(*where, "outside_hours") for where, _ in closed}
        return Answer("throttle" if retry_at else "deny", frozenset(codes), retry_at=retry_at)
    if reviews:
        codes = {(*where, "review_required") for where, _ in reviews}
        queues = tuple(sorted({rule["queue"] for _, rule in reviews}))
        return Answer("review", frozenset(codes), queues, frozenset(limits))
    return Answer("allow", frozenset(allows), (), frozenset(limits))


def demands(where: Any, rule: Any, spec: Any, subject: Subject, action: Action, hits: set[int]) -> list[Any]:
    counted = spec.get("units") == "count" and action.destinations
    by, units = rule.get("by"), len(hits) if counted else action.units
    window = int(rule["per"][:-1]) * {"m": 60, "h": 3600, "d": 86400}[rule["per"][-1]]
    shares = {{"agent": subject.agent, "team": subject.team, "verb": action.verb}.get(by, ""): units}
    if by == "destination" and action.destinations:
        texts = [action.destinations[index].text for index in hits]
        texts = [text.lower() if text.startswith("email:") else text for text in texts]
        shares = {text: texts.count(text) if counted else action.units for text in texts}
    return [(*where, value, share, rule["units"], window) for value, share in shares.items()]
