"""What the nearest rules missed."""

from __future__ import annotations

from typing import Any

import pytest

from policies.destinations import check_destination
from policies.explaining import explain
from policies.facts import Action, Subject
from policies.language import parse
from registry.amounts import parse_money
from registry.catalogue import parse_verbs
from tests.policies.cases import NOW

pytestmark = pytest.mark.slow

VERBS = parse_verbs(
    {
        "form.submit": {"capability": "write"},
        "email.send": {"capability": "notify", "data_classes": ["pii"]},
        "pay.out": {"capability": "execute"},
    }
)
SUBJECT = Subject(
    agent="a", team="t", tags=frozenset({"hr"}), environment="production", capabilities=frozenset({"write"}),
    data_scopes=frozenset(), state="active", kill=None, released=True,
)  # fmt: skip


def action(verb: str = "form.submit", *, to: tuple[str, ...] = (), units: int = 1, **more: Any) -> Action:
    known: dict[str, Any] = {
        "verb": verb, "capability": VERBS[verb].capability, "units": units, "amount": None,
        "destinations": tuple(check_destination(text) for text in to), "data_classes": frozenset(),
        "data_scopes": frozenset(), "payload": None,
    }  # fmt: skip
    return Action(**{**known, **more})


def misses(rule: dict[str, Any], asked: Action, **policy: Any) -> list[str]:
    """Return the selectors of one rule that missed."""
    found = explain(parse({"p": {"rules": [rule], **policy}}), VERBS, SUBJECT, asked, now=NOW)
    return [miss.selector for miss in found[0].misses]


@pytest.mark.parametrize(
    ("rule", "asked", "missed"),
    [
        ({"verb": "form.submit"}, action(), []),
        ({"verb": "email.**"}, action(), ["verb"]),
        ({"destination": "https://b.test/*"}, action(to=("https://a.test/x",)), ["destination"]),
        ({"destination": "https://b.test/*"}, action(), ["destination"]),
        ({"destination": "https://a.test/*"}, action(to=("https://a.test/x", "https://c.test/")), ["destination"]),
        ({"batch": 25}, action(units=60), ["batch"]),
        ({"capability": "read"}, action(), ["capability"]),
        ({"data_class": "pii"}, action(data_classes=frozenset({"pii"})), ["data_class"]),
        ({"data_class": "pii"}, action("email.send"), []),
        ({"verb": "email.*", "batch": 1}, action(units=2), ["verb", "batch"]),
        ({"when": "action.units > 2"}, action(units=2), ["when"]),
        ({"when": "action.units > 2"}, action(units=3), []),
        ({"when": "action.amount.nano > 2"}, action(), ["when"]),
    ],
)
def test_each_selector_that_missed_is_named(rule: dict[str, Any], asked: Action, missed: list[str]) -> None:
    assert misses({"allow": {"name": "r", **rule}}, asked) == missed


def test_amounts_under_a_reviews_threshold_miss() -> None:
    rule = {
        "review": {
            "name": "r", "verb": "pay.out", "queue": "q", "amount_over": {"value": "100.00", "currency": "USD"},
        }
    }  # fmt: skip
    small, large = (parse_money({"value": value, "currency": "USD"}) for value in ("99.00", "101.00"))
    assert misses(rule, action("pay.out", amount=small)) == ["amount_over"]
    assert misses(rule, action("pay.out")) == ["amount_over"]
    assert misses(rule, action("pay.out", amount=large)) == []


def test_what_the_agent_says_of_its_values_misses_by_provenance() -> None:
    def missed(sources: list[str], **claims: str) -> list[str]:
        review = {"name": "r", "queue": "q", "provenance": {"at": "/body", "from": sources}}
        said = {f"/{name}": source for name, source in claims.items()}
        return misses({"review": review}, action(payload={"body": "x"}, provenance=said))

    assert missed(["web", "tool"]) == []
    assert missed(["web"], body="user") == ["provenance"]
    # It fits, and still permits nothing: only the agent says so.
    assert missed(["tool"], body="tool") == ["provenance"]


def test_a_policy_for_others_misses_by_its_scope() -> None:
    rule = {"allow": {"name": "r", "verb": "form.submit"}}
    for scope in ({"agents": ["b"]}, {"teams": ["u"]}, {"tags": ["x"]}, {"environments": ["staging"]}):
        assert misses(rule, action(), applies_to=scope) == ["scope"], scope
    assert misses(rule, action(), applies_to={"agents": ["a"], "tags": ["hr"]}) == []


def test_the_nearest_comes_first_and_a_rule_about_another_verb_last() -> None:
    rules = [
        {"allow": {"name": "other-verb", "verb": "email.*"}},
        {"allow": {"name": "two-misses", "verb": "form.*", "batch": 1, "destination": "https://b.test/*"}},
        {"review": {"name": "one-miss", "verb": "form.*", "batch": 1, "queue": "q"}},
        {"forbid": {"name": "never-named", "verb": "form.*"}},
    ]
    found = explain(parse({"p": {"rules": rules}}), VERBS, SUBJECT, action(to=("https://a.test/",), units=2), most=9)
    assert [near.rule for near in found] == ["one-miss", "two-misses", "other-verb"]
