"""The policies' semantics once more, without any cleverness: the documents, read from top to bottom.

Shares nothing with the product but the facts and the normalised text of destinations.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from policies.facts import Action, Subject
from tests.policies import reference_selectors as read
from tests.policies.reference_selectors import destination_matches, is_open, many, next_open, verb_matches


@dataclass(frozen=True)
class Answer:
    effect: str
    codes: frozenset[tuple[str | None, str | None, str]]
    queues: tuple[str, ...] = ()
    limits: frozenset[tuple[str, str, str, int, int, int, str]] = frozenset()
    retry_at: datetime | None = None
    obligations: frozenset[tuple[str, str, str]] = frozenset()


def about(policy: dict[str, Any], subject: Subject) -> bool:
    scope = policy.get("applies_to", {})
    mine = {
        "agents": {subject.agent}, "teams": {subject.team}, "tags": subject.tags, "environments": {subject.environment}
    }  # fmt: skip
    return all(mine[key] & set(many(scope[key])) for key in scope)


def evaluate(  # noqa: C901, PLR0912 - one linear scan is the point
    document: dict[str, Any], verbs: dict[str, Any], subject: Subject, action: Action, now: datetime
) -> Answer:
    spec = verbs[action.verb]
    places: list[str | None] = [one.text for one in action.destinations] or [None]
    forbids, allows, reviews, oversize, limits, closed, windows, duties = [], [], [], [], [], [], [], []
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
            said, tainting = rule.get("provenance"), read.tainted_by(rule)
            if said and not tainting & read.sources(action.payload, action.provenance, said):
                continue
            try:
                if "when" in rule and not read.CONDITIONS[rule["when"]](action, subject, now):
                    continue
            except read.NoAnswer:
                forbids.append((*where, "evaluation_error"))
                continue
            if kind == "forbid":
                forbids.append((*where, "forbidden"))
            elif kind in {"limit", "split"}:
                limits += demands(where, rule, spec, subject, action, hits)
            elif kind == "freeze":
                windows.append(rule)
                closed += [(*where, "frozen")] if read.frozen_until(rule, now) else []
            elif kind == "hours":
                windows.append(rule)
                closed += [] if is_open(rule, now) else [(*where, "outside_hours")]
            else:
                if kind == "review":
                    reviews.append((where, rule))
                    duties += [(*where, duty) for duty in many(rule.get("obligations"))]
                if (labels and not labels & catalogued) or (said and "web" not in tainting):
                    continue
                if action.units > rule.get("batch", action.units):
                    oversize.append((where, hits))
                    continue
                permitted |= hits
                if kind == "allow":
                    allows.append((*where, "allowed"))
                    duties += [(*where, duty) for duty in many(rule.get("obligations"))]
    if forbids:
        return Answer("deny", frozenset(forbids))
    missing = set(range(len(places))) - permitted
    if missing:
        fewer = [(where, hits) for where, hits in oversize if hits & missing]
        codes: set[Any] = {(*where, "batch_too_large") for where, _ in fewer}
        if missing - {index for _, hits in fewer for index in hits}:
            codes.add((None, None, "no_rule"))
        return Answer("deny", frozenset(codes))
    never = frozenset((one[0], one[1], one[6]) for one in limits if one[3] > one[4])
    if never:
        return Answer("deny", never)
    if closed:
        retry_at = next_open(windows, now)
        if retry_at is None:
            return Answer("deny", frozenset(closed))
        return Answer("throttle", frozenset(closed), limits=frozenset(limits), retry_at=retry_at)
    if reviews:
        codes = {(*where, "review_required") for where, _ in reviews}
        queues = tuple(sorted({rule["queue"] for _, rule in reviews}))
        return Answer("review", frozenset(codes), queues, frozenset(limits), obligations=frozenset(duties))
    return Answer("allow", frozenset(allows), (), frozenset(limits), obligations=frozenset(duties))


def demands(where: Any, rule: Any, spec: Any, subject: Subject, action: Action, hits: set[int]) -> list[Any]:
    counted = spec.get("units") == "count" and action.destinations
    splits = "max" in rule
    by, units = rule.get("by", "agent" if splits else None), len(hits) if counted else action.units
    window = int(rule["per"][:-1]) * {"m": 60, "h": 3600, "d": 86400}[rule["per"][-1]]
    shares = {{"agent": subject.agent, "team": subject.team, "verb": action.verb}.get(by, ""): units}
    if by == "destination" and action.destinations:
        texts = [action.destinations[index].text for index in hits]
        texts = [text.lower() if text.startswith("email:") else text for text in texts]
        shares = {text: texts.count(text) if counted else action.units for text in texts}
    if not splits:
        return [(*where, value, share, rule["units"], window, "rate_limited") for value, share in shares.items()]
    most, money = rule["max"], action.amount
    if "distinct" in rule:
        different = {text.lower() if text.startswith("email:") else text for text in
                     (action.destinations[index].text for index in hits if action.destinations)}  # fmt: skip
        shares = dict.fromkeys(shares, len(different)) if different else {}
    elif rule["sum"] == "amount":
        foreign = money and money.currency != most["currency"]
        share = 2**63 - 1 if foreign else int(money.value * 10**9) if money else 0
        shares, most = dict.fromkeys(shares, share) if share else {}, int(Decimal(most["value"]) * 10**9)
    return [(*where, value, share, most, window, "split_guarded") for value, share in shares.items()]
