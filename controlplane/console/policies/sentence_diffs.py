"""What changed between two policy sets, by policy and rule, in sentences (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controlplane.console.diffs import Line, Part, word_diff
from controlplane.console.policies.sentences import said
from policies.language import Policy, PolicySet

# A sentence, and what it was made of: two rules may differ in what no sentence says.
_Told = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One policy that is not what it was.

    Attributes:
        word: added, taken away, changed.
        lines: as `controlplane.console.diffs` draws them, without what stayed.
    """

    slug: str
    word: str
    lines: tuple[Line, ...]


def changes(before: PolicySet, after: PolicySet) -> tuple[PolicyChange, ...]:
    """Compare two policy sets; what moved and did not change is not named: order means nothing."""
    found = []
    for slug in sorted({*before.policies, *after.policies}):
        old, new = before.policies.get(slug), after.policies.get(slug)
        word = "added" if old is None else "taken away" if new is None else "changed"
        lines = tuple(_lines(_told(old), _told(new)))
        if lines:
            found.append(PolicyChange(slug, word, lines))
    return tuple(found)


def scope_of(policy: Policy) -> str:
    """Say about which agents a policy is."""
    scope = policy.applies_to
    parts = (
        ("agents", scope.agents), ("teams", scope.teams), ("tags", scope.tags), ("environments", scope.environments),
    )  # fmt: skip
    return "; ".join(f"{name} {', '.join(sorted(items))}" for name, items in parts if items) or "everyone"


def test_words(case: Mapping[str, Any]) -> str:
    """Say what one of a policy's tests asks, and what it expects."""
    action = case["action"]
    parts = [str(action["verb"])]
    if "destination" in action:
        parts.append(f"to {action['destination']}")
    if "payload" in action:
        parts.append(f"with {json.dumps(action['payload'], ensure_ascii=False)}")
    if "amount" in action:
        parts.append(f"of {action['amount']['value']} {action['amount']['currency']}")
    if "units" in action:
        parts.append(f"({action['units']} units)")
    if "agent" in case:
        parts.append(f"as {case['agent']}")
    if "at" in case:
        parts.append(f"at {case['at']}")
    return f"{' '.join(parts)} → {case['expect']}"


def _told(policy: Policy | None) -> dict[str, _Told]:
    """Return what a policy says, by what it is about."""
    if policy is None:
        return {}
    document = json.loads(policy.document)
    found: dict[str, _Told] = {
        "Mode": (f"Mode: {policy.mode}.", policy.mode),
        "Scope": (f"For {scope_of(policy)}.", scope_of(policy)),
    }
    for rule in document["rules"]:
        for kind, body in rule.items():
            found[f"rule {body['name']}"] = (f"{body['name']}: {said(kind, body)}", rule)
    for case in document.get("tests", ()):
        words = test_words(case)
        found[f"test {json.dumps(case, sort_keys=True)}"] = (f"Test: {words}", case)
    return found


def _lines(old: Mapping[str, _Told], new: Mapping[str, _Told]) -> Iterator[Line]:
    for key, (text, raw) in old.items():
        if key not in new:
            yield Line("-", (Part(text, changed=True),))
            continue
        other, other_raw = new[key]
        if raw == other_raw:
            continue
        if text == other:
            yield Line("+", (Part(f"{text} (changed in what this sentence leaves out: see the YAML)", changed=True),))
            continue
        left, right = word_diff(text, other)
        yield Line("-", left)
        yield Line("+", right)
    for key, (text, _) in new.items():
        if key not in old:
            yield Line("+", (Part(text, changed=True),))
