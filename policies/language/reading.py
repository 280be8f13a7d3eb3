"""Reading policy documents, and writing them back as they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final

from audit.canonical import MAX_INTEGER, Place, check, pointer_to
from audit.refusals import Invalid
from policies.facts import Declared
from policies.language.rules import KEYS, read_rule
from policies.language.shapes import EFFECTS, MODES, AppliesTo, Policy, PolicySet, PolicyTest, Rule
from policies.language.windows import as_date
from policies.provenance import SOURCES
from registry.amounts import AmountInvalid, Money, parse_money
from registry.catalogue import CAPABILITIES, is_verb
from registry.documents import SLUG, Problems, Section, join

_SCOPES: Final = ("agents", "teams", "tags", "environments")
_POLICY: Final = ("applies_to", "mode", "rules", "tests")
_TEST: Final = ("action", "agent", "at", "expect")
_ACTION: Final = (
    "verb", "capability", "destination", "units", "amount", "payload", "data_classes", "data_scopes", "provenance",
)  # fmt: skip


def parse(document: object, *, at: str = "") -> PolicySet:
    """Read the ``policies:`` part of a configuration document.

    Args:
        document: policies by slug, as a YAML or JSON reader returns them.
        at: pointer to it in the whole document.

    Raises:
        DocumentInvalid: with every defect and its pointer.
    """
    problems = Problems()
    section = Section(problems, at, document)
    policies = {slug: _policy(problems, at, slug, section.take(slug)) for slug in sorted(section.names())}
    problems.raise_if_any()
    return PolicySet(MappingProxyType({slug: policy for slug, policy in policies.items() if policy}))


def dump(policy_set: PolicySet, *, native_dates: bool = False) -> dict[str, Any]:
    """Write a policy set in the form that `parse` reads: what was written, in a stable order.

    Args:
        policy_set: from `parse`.
        native_dates: dates as dates, for a YAML writer; as text otherwise, for JSON.
    """
    found = {slug: json.loads(policy.document) for slug, policy in sorted(policy_set.policies.items())}
    if native_dates:
        for policy in found.values():
            for kind, body in (pair for rule in policy.get("rules", ()) for pair in rule.items()):
                if "holidays" in body:
                    body["holidays"] = [as_date(day) for day in body["holidays"]]
                if kind == "freeze":
                    body.update({key: as_date(body[key]) or body[key] for key in ("from", "until")})
    return found


def _policy(problems: Problems, at: str, slug: str, raw: object) -> Policy | None:
    pointer = join(at, slug)
    if SLUG.fullmatch(slug) is None:
        problems.add(pointer, "invalid_name", f"“{slug}” is not a slug (a-z, 0-9, - and _).")
    before = len(problems.found)
    section = Section(problems, pointer, raw)
    scope = section.section("applies_to")
    applies_to, first = _applies_to(scope) if scope else (AppliesTo(), ())
    mode = section.choice("mode", MODES) or MODES[0]
    rules = _rules(section)
    tests = tuple(
        test
        for index, item in enumerate(section.items("tests"))
        if (test := _test(Section(problems, join(section.at("tests"), index), item)))
    )
    section.close()
    if len(problems.found) > before:
        return None
    return Policy(slug, applies_to, first, mode, rules, tests, _written(raw))


def _applies_to(section: Section) -> tuple[AppliesTo, tuple[tuple[str, str], ...]]:
    found = {key: section.slugs(key) for key in _SCOPES}
    section.close()
    first = tuple((key, slugs[0]) for key, slugs in found.items() if slugs)
    return AppliesTo(*(frozenset(found[key]) for key in _SCOPES)), first


def _rules(section: Section) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    names: set[str] = set()
    section.take("rules", required=True)
    for index, item in enumerate(section.items("rules")):
        pointer = join(section.at("rules"), index)
        rule = read_rule(section.problems, pointer, item)
        if rule is None:
            continue
        if rule.name in names:
            where = join(pointer, rule.kind, "name")
            section.problems.add(where, "duplicate_name", f"“{rule.name}” names another rule of this policy.")
        names.add(rule.name)
        rules.append(rule)
    return tuple(rules)


def _test(section: Section) -> PolicyTest | None:
    action = section.section("action")
    if action is None and not section.broken:
        section.add("action", "missing", "“action” is required.")
    declared = _declared(action) if action else None
    agent = section.text("agent")
    at = _moment(section)
    expect = section.choice("expect", EFFECTS, required=True)
    section.close()
    return PolicyTest(declared, agent, at, expect) if declared and expect else None


def _declared(section: Section) -> Declared | None:
    verb = section.text("verb", required=True)
    if verb is not None and not is_verb(verb):
        section.add("verb", "invalid_name", f"“{verb}” is not a verb.")
    capability = section.choice("capability", CAPABILITIES)
    destination = section.text("destination")
    units = section.integer("units")
    amount = _amount(section)
    payload = _payload(section)
    data_classes = frozenset(section.slugs("data_classes"))
    data_scopes = frozenset(section.slugs("data_scopes")) if section.has("data_scopes") else None
    provenance = _claims(section)
    section.close()
    if verb is None:
        return None
    return Declared(verb, capability, destination, units, amount, payload, data_classes, data_scopes, provenance)


def _claims(section: Section) -> Mapping[str, str]:
    """Return where a test's values came from: JSON pointer → source."""
    inner = section.section("provenance")
    if inner is None:
        return MappingProxyType({})
    found = {pointer: inner.choice(pointer, SOURCES) for pointer in inner.names()}
    try:
        check(dict.fromkeys(found))
    except Invalid:
        section.add("provenance", "unstorable_text", "Text must not hold NUL or lone surrogates.")
    return MappingProxyType({pointer: source for pointer, source in found.items() if source is not None})


def _amount(section: Section) -> Money | None:
    raw = section.take("amount")
    if not section.has("amount"):
        return None
    try:
        return parse_money(raw)
    except AmountInvalid as error:
        section.problems.add(section.at("amount") + error.pointer, "invalid_amount", error.detail)
        return None


def _moment(section: Section) -> datetime | None:
    value = section.take("at")
    if not section.has("at"):
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    section.add("at", "invalid_time", 'Write a time with its offset, in quotes: "2026-11-23T10:00:00+01:00".')
    return None


def _payload(section: Section) -> object:
    """Return a test's payload, held to the rules of a request's."""
    payload, pointer = section.take("payload"), section.at("payload")
    before = len(section.problems.found)
    _require_json(section.problems, pointer, payload)
    if len(section.problems.found) == before:
        try:
            check(payload)
        except Invalid as error:
            for problem in error.errors:
                section.problems.add(pointer + problem.pointer, problem.code, problem.detail)
    return payload


def _require_json(problems: Problems, pointer: str, root: object) -> None:
    # Without recursion: nobody has measured the payload's depth yet.
    stack: list[tuple[Place | None, object]] = [(None, root)]
    while stack:
        place, value = stack.pop()
        code = detail = ""
        if isinstance(value, Mapping):
            for key, item in value.items():
                below = (place, str(key))
                if not isinstance(key, str):
                    problems.add(pointer + pointer_to(below), "wrong_type", "A key must be text; quote it.")
                stack.append((below, item))
        elif isinstance(value, list):
            stack.extend(((place, index), item) for index, item in enumerate(value))
        elif isinstance(value, int | float):
            # Written so that "not a number" is refused as well.
            if not abs(value) <= MAX_INTEGER:
                code, detail = "number_out_of_range", "Numbers lie within ±(2^53−1); write larger ones as text."
        elif not (value is None or isinstance(value, str)):
            code, detail = "wrong_type", f"JSON has no {type(value).__name__}; put it into quotes."
        if code:
            problems.add(pointer + pointer_to(place), code, detail)


def _written(raw: object) -> str:
    """Return a checked policy as JSON text, its keys in the order in which people read them."""
    policy = _ordered(raw, _POLICY)
    if "applies_to" in policy:
        policy["applies_to"] = _ordered(policy["applies_to"], _SCOPES)
    policy["rules"] = [{kind: _ordered(body, KEYS[kind]) for kind, body in rule.items()} for rule in policy["rules"]]
    if "tests" in policy:
        policy["tests"] = [_ordered(test, _TEST) for test in policy["tests"]]
        for test in policy["tests"]:
            test["action"] = _ordered(test["action"], _ACTION)
    return json.dumps(policy, ensure_ascii=False, default=_plain)


def _ordered(raw: object, keys: tuple[str, ...]) -> dict[str, Any]:
    source: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    return {key: source[key] for key in keys if key in source}


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    message = f"{type(value).__name__} has no JSON form."
    raise TypeError(message)
