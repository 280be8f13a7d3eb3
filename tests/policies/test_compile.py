"""Compiling: unknown queues, and an index that meets only what can match."""

from __future__ import annotations

from typing import Any

import pytest

from policies.compile import Snapshot, compile_set
from policies.language import DocumentInvalid, parse
from registry.catalogue import VerbSpec
from tests.policies.cases import QUEUES, VERBS, ask, form, of_rules, snapshot, subject


def names(compiled: Snapshot, verb: str, **who: Any) -> set[str]:
    return {rule.name for bucket in compiled.buckets(subject(**who), verb) for rule in bucket.general}


def test_unknown_queues_are_refused_with_their_pointers() -> None:
    rule = {"review": {"name": "x", "queue": "nobody"}}
    policies = parse({"p": {"rules": [{"allow": {"name": "a"}}, rule]}, "q": {"mode": "shadow", "rules": [rule]}})
    with pytest.raises(DocumentInvalid) as refused:
        compile_set(policies, VERBS, QUEUES, at="/policies")
    assert [(one.pointer, one.code) for one in refused.value.errors] == [
        ("/policies/p/rules/1/review/queue", "unknown_queue"),
        ("/policies/q/rules/0/review/queue", "unknown_queue"),
    ]
    assert compile_set(policies, VERBS, None).rules == 3


def test_rules_are_found_by_verb_capability_and_scope() -> None:
    compiled = snapshot(
        {
            "all": {
                "rules": [{"allow": {"name": "any"}}, {"allow": {"name": "mail", "verb": ["email.**", "email.send"]}}]
            },
            "mine": {
                "applies_to": {"agents": "job-applier"},
                "rules": [{"forbid": {"name": "writes", "capability": "write"}}],
            },
            "team": {"applies_to": {"teams": "billing"}, "rules": [{"allow": {"name": "billing"}}]},
            "gone": {"rules": [{"allow": {"name": "unknown", "verb": "no.such"}}]},
        }
    )
    assert names(compiled, "email.send") == {"any", "mail"}
    assert names(compiled, "form.submit") == {"any", "writes"}
    assert names(compiled, "form.submit", agent="other", team="billing") == {"any", "billing"}
    assert names(compiled, "no.such") == set()


def test_rules_about_other_places_are_not_met() -> None:
    rules = [{"allow": {"destination": f"https://h{index}.example.com/*"}} for index in range(1_000)]
    compiled = of_rules(*rules)
    (bucket,) = compiled.buckets(subject(), "form.submit")
    assert (len(bucket.general), len(bucket.places)) == (0, 1_000)
    assert ask(compiled, form("https://h7.example.com/x")).effect == "allow"
    assert ask(compiled, form("https://h7.example.org/x")).effect == "deny"


@pytest.mark.parametrize(
    ("rule", "timed"),
    [
        ({"allow": {}}, False),
        ({"limit": {"units": 3, "per": "1h"}}, False),
        ({"hours": {"zone": "Europe/Berlin", "from": "09:00", "until": "17:00"}}, True),
        ({"freeze": {"zone": "UTC", "from": "2026-12-24", "until": "2026-12-27"}}, True),
        ({"forbid": {"when": "action.units > 3"}}, True),
    ],
)
def test_what_can_depend_on_the_time_says_so(rule: dict[str, Any], timed: bool) -> None:
    (body,) = rule.values()
    assert of_rules({"allow": {"name": "a"}}, {next(iter(rule)): {"name": "b", **body}}).timed is timed


def test_snapshot_does_not_follow_later_changes_of_its_sources() -> None:
    verbs = {"a.b": VerbSpec("a.b", "read")}
    compiled = compile_set(parse({"p": {"rules": [{"allow": {"name": "x"}}]}}), verbs, None)
    verbs.clear()
    assert set(compiled.verbs) == {"a.b"}
    with pytest.raises(TypeError):
        compiled.index["everyone", ""] = {}  # type: ignore[index]
