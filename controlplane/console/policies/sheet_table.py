"""Which fields a rule, a test and a policy have, in plain words (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from controlplane.console.policies.offers import COMMAS, Offers, same
from controlplane.console.policies.rule_sheets import money, rule_groups
from controlplane.console.policies.sheets import (
    Field,
    Group,
    Value,
    Values,
    as_json,
    plain,
    several,
    split,
    texts_of,
)
from policies.language.rules import KEYS
from policies.language.shapes import EFFECTS, KINDS, MODES
from policies.provenance import SOURCES
from policies.routes import AUTO
from registry.catalogue import CAPABILITIES
from registry.states import Environment

KIND_WORDS: Final[Mapping[str, str]] = {
    "allow": "Allow",
    "review": "Ask people first",
    "forbid": "Forbid",
    "limit": "Limit how much",
    "split": "Guard against small steps",
    "hours": "Opening hours",
    "freeze": "Freeze for a while",
}
RULES, TESTS, POLICY = "rules", "tests", "policy"
_CASE_ORDER: Final = ("action", "agent", "at", "expect")


def order_of(part: str, kind: str) -> Sequence[str]:
    """Return the order of a part's keys."""
    return {RULES: KEYS.get(kind, ()), TESTS: _CASE_ORDER, POLICY: ("applies_to", "mode", "rules", "tests")}[part]


def groups_of(part: str, kind: str, offers: Offers) -> tuple[Group, ...]:
    """Return the groups of a rule of a kind, of a test, or of a policy; none for a kind that is not known."""
    if part == TESTS:
        return _case(offers)
    if part == POLICY:
        return _policy(offers)
    if kind not in KINDS:
        return ()
    return rule_groups(kind, offers)


def first_body(part: str, kind: str, names: Sequence[str], offers: Offers) -> dict[str, Any]:
    """Return what a new rule or test begins with; a rule gets a name that its policy does not have.

    Args:
        part: rules, tests or policy.
        kind: of the rule.
        names: that are taken.
        offers: what exists.
    """
    if part == TESTS:
        return {"action": {"verb": offers.verbs[0] if offers.verbs else ""}, "expect": "deny"}
    if part == POLICY:
        return {"mode": "shadow", "rules": []}
    name = next(each for index in range(1, len(names) + 2) if (each := f"{kind}-{index}") not in names)
    own: Mapping[str, Mapping[str, Any]] = {
        "review": {"queue": AUTO},
        "limit": {"units": 100, "per": "1d", "by": "agent"},
        "split": {"distinct": "destination", "max": 20, "per": "1d", "by": "agent"},
        "hours": {"zone": offers.zone, "days": "mon-fri", "from": "09:00", "until": "18:00"},
        "freeze": {"zone": offers.zone},
    }
    return {"name": name, **own.get(kind, {})}


def _case(offers: Offers) -> tuple[Group, ...]:
    inside = "action"

    def read_claims(action: Mapping[str, Any]) -> dict[str, Value]:
        raw = action.get("provenance")
        return {"claims": "\n".join(f"{at} {source}" for at, source in raw.items()) if isinstance(raw, Mapping) else ""}

    def write_claims(values: Values) -> dict[str, Any]:
        claims = [line.split() for line in split(values["claims"], by_line=True)]
        if any(len(claim) != len(("pointer", "source")) for claim in claims):
            message = "Write a JSON pointer and a source on each line: /body web."
            raise ValueError(message)
        return {"provenance": dict(claims)} if claims else {}

    sources = f"A pointer and a source on each line: /body web. Sources are {', '.join(SOURCES)}."
    return (
        plain(
            "verb", Field("verb", "When the agent asks for", help="A verb.", suggestions=offers.verbs), inside=inside
        ),
        plain(
            "destination",
            Field("destination", "To", help="Empty where the destinations stand in the payload."),
            inside=inside,
        ),
        as_json(
            "payload",
            Field("payload", "With the payload", "code", 'JSON, for example {"to": ["a@example.com"]}.'),
            inside=inside,
        ),
        plain("units", Field("units", "Units"), numeric=True, inside=inside),
        money("amount", ("Amount", "Currency"), inside=inside),
        several(
            "data_classes",
            Field("data_classes", "Data classes", help=COMMAS, suggestions=offers.data_classes),
            inside=inside,
            always_list=True,
        ),
        several("data_scopes", Field("data_scopes", "Data scopes", help=COMMAS), inside=inside, always_list=True),
        plain(
            "capability",
            Field("capability", "Capability", "pick", "", (("", "the verb's own"), *same(CAPABILITIES))),
            inside=inside,
        ),
        Group(
            ("provenance",),
            (Field("claims", "Where its values come from", "area", sources),),
            read_claims,
            write_claims,
            inside,
        ),
        plain(
            "agent",
            Field(
                "agent",
                "As the agent",
                help="Empty: the first one that the policy is about.",
                suggestions=offers.agents,
            ),
        ),
        plain(
            "at",
            Field("at", "At", help="A time with its offset: 2026-11-23T10:00:00+01:00. Empty: a Thursday at noon."),
        ),
        plain("expect", Field("expect", "The answer is", "pick", "", same(EFFECTS))),
    )


def _policy(offers: Offers) -> tuple[Group, ...]:
    words = {"enforce": "it decides", "shadow": "it only records what it would have said"}
    mode = Field("mode", "What it does", "pick", "", tuple((each, f"{each}: {words[each]}") for each in MODES))

    def scope(key: str, label: str, known: tuple[str, ...]) -> Group:
        field = Field(key, label, help=f"{COMMAS} Empty: all of them.", suggestions=known)
        return several(key, field, inside="applies_to", always_list=True)

    def read(body: Mapping[str, Any]) -> dict[str, Value]:
        return {"mode": "".join(texts_of(body.get("mode"))) or MODES[0]}

    return (
        Group(("mode",), (mode,), read, lambda values: {"mode": values["mode"]}),
        scope("agents", "About the agents", offers.agents),
        scope("teams", "About the teams", offers.teams),
        scope("tags", "About agents with the tags", offers.tags),
        scope("environments", "In the environments", tuple(Environment.values)),
    )
