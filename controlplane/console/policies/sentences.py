"""Policies in sentences: what an agent may do, for people who read no YAML (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policies.language import Policy, PolicySet
from policies.routes import is_routed, words_for

_ANY = "anything"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One rule in words.

    Attributes:
        policy: slug.
        rule: name.
        effect: how it is drawn, of `policies.states.Effect`: a forbid denies, what time lifts throttles.
        text: the sentence.
        shadow: whether the policy only records.
    """

    policy: str
    rule: str
    effect: str
    text: str
    shadow: bool


_EFFECT_OF = {
    "allow": "allow", "review": "review", "forbid": "deny",
    "limit": "throttle", "split": "throttle", "hours": "throttle", "freeze": "throttle",
}  # fmt: skip


def about_agent(policies: PolicySet, *, agent: str, team: str, tags: frozenset[str]) -> list[Sentence]:
    """Return the rules of every policy whose scope admits an agent."""
    return [
        sentence
        for policy in policies.policies.values()
        if _admits(policy, agent, team, tags)
        for sentence in sentences(policy)
    ]


def _admits(policy: Policy, agent: str, team: str, tags: frozenset[str]) -> bool:
    scope = policy.applies_to
    return (
        (not scope.agents or agent in scope.agents)
        and (not scope.teams or team in scope.teams)
        and (not scope.tags or bool(tags & scope.tags))
    )


def sentences(policy: Policy) -> list[Sentence]:
    """Return a policy's rules in words."""
    found = []
    for rule in json.loads(policy.document)["rules"]:
        for kind, body in rule.items():
            found.append(Sentence(policy.slug, body["name"], effect_of(kind), said(kind, body), policy.shadow))
    return found


def said(kind: str, body: Mapping[str, Any]) -> str:
    """Return one rule, which `policies.language` has read without a defect, in words."""
    return _WRITERS[kind](body)


def effect_of(kind: str) -> str:
    """Return the effect as which a kind of rule is drawn."""
    return _EFFECT_OF[kind]


def _what(body: Mapping[str, Any]) -> str:
    """Write what a rule selects."""
    parts = [_either(body.get("verb")) or _ANY]
    if destination := _either(body.get("destination")):
        parts.append(f"to {destination}")
    if classes := _either(body.get("data_class")):
        parts.append(f"with {classes} data")
    if capability := _either(body.get("capability")):
        parts.append(f"that can {capability}")
    if amount := body.get("amount_over"):
        parts.append(f"over {amount['value']} {amount['currency']}")
    if provenance := body.get("provenance"):
        parts.append(_from(provenance))
    if condition := body.get("when"):
        parts.append(f"when {condition}")
    return " ".join(parts)


def _from(provenance: Any) -> str:
    """Write where values come from."""
    if isinstance(provenance, Mapping):
        return f"with values at {_either(provenance['at'])} from {_either(provenance['from'])}"
    return f"with values from {_either(provenance)}"


def _either(value: Any) -> str:
    items = value if isinstance(value, list) else [value] if value else []
    return " or ".join(str(item) for item in items)


def _batch(body: Mapping[str, Any]) -> str:
    return f", at most {body['batch']} at once" if "batch" in body else ""


def _duty(body: Mapping[str, Any]) -> str:
    obligations = body.get("obligations", [])
    listed = obligations if isinstance(obligations, list) else [obligations]
    return f" Obliges to {', '.join(listed)}." if listed else ""


def _allow(body: Mapping[str, Any]) -> str:
    return f"May {_what(body)}{_batch(body)}.{_duty(body)}"


def _review(body: Mapping[str, Any]) -> str:
    queue = body["queue"]
    who = words_for(queue) if is_routed(queue) else f"the queue {queue}"
    return f"May {_what(body)}{_batch(body)} after {who} approves.{_duty(body)}"


def _forbid(body: Mapping[str, Any]) -> str:
    return f"Never {_what(body)}."


def _limit(body: Mapping[str, Any]) -> str:
    each = f" for each {body['by']}" if "by" in body else ""
    return f"At most {body['units']} units of {_what(body)} in {body['per']}{each}."


def _split(body: Mapping[str, Any]) -> str:
    most, counts = body["max"], body.get("distinct") or body["sum"]
    if isinstance(most, Mapping):
        told = f"{most['value']} {most['currency']}"
    else:
        told = f"{most} units" if counts == "units" else f"{most} different {counts}s"
    return f"At most {told} of {_what(body)} in {body['per']} for each {body.get('by', 'agent')}, in whatever steps."


def _freeze(body: Mapping[str, Any]) -> str:
    zone = f" ({body['zone']})" if "zone" in body else ""
    return f"Not {_what(body)} from {body['from']} until {body['until']}{zone}."


def _hours(body: Mapping[str, Any]) -> str:
    days = _either(body.get("days")) or "every day"
    return f"{_what(body).capitalize()} only {days} {body['from']}–{body['until']} ({body['zone']})."


_WRITERS = {
    "allow": _allow, "review": _review, "forbid": _forbid, "limit": _limit, "split": _split,
    "hours": _hours, "freeze": _freeze,
}  # fmt: skip
