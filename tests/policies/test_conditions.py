"""Conditions in CEL: what is admitted, what they see, what they cost, and what comes of a failure."""

from __future__ import annotations

import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from policies.conditions import MAX_VALUES, Condition, ConditionFailed, ExpressionInvalid, Facts, read_condition
from policies.dry_runs import require_conditions
from policies.expressions import FUNCTIONS, LOOPS, METHODS, VARIABLES
from policies.facts import Action
from policies.language import DocumentInvalid, parse
from tests.docs.blocks import ROOT
from tests.policies.cases import NOW, ask, codes, declared, email, form, of_rules, payment, snapshot, subject
from tests.policies.reference_selectors import CONDITIONS


def refusal(text: str) -> str:
    with pytest.raises(ExpressionInvalid) as refused:
        read_condition(text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "at least one"),
        ("a" * 1_001, "1,000 characters"),
        ("1" + "+1" * 100, "200 symbols"),
        ("action.units >", "Syntax error"),
        ("action", "Write action. and one of"),
        ("action == action", "Write action. and one of"),
        ("action['units'] > 1", "Write action. and one of"),
        ("action.colour == 'red'", "Write action. and one of"),
        ("'pii' in action.data_classes", "Write action. and one of"),
        ("action.provenance == {}", "“{”"),
        ("action.amount.value > 1", "nano"),
        ("agent.key == ''", "Write agent. and one of"),
        ("other.units > 1", "There is no “other”"),
        ("int == 1", "There is no “int”"),
        ("b'x' == b'x'", "quotes"),
        ("'a' 'b'", "quotes"),
        ("'''a''' == 'a'", "quotes"),
        ("action.verb.matches('^a+$')", "“.matches()” is not admitted"),
        ("action.payload.items.map(x, x)", "“.map()” is not admitted"),
        ("action.payload.items.filter(x, true).size() > 1", "“.filter()” is not admitted"),
        ("type(action.units) == int", "“type()” is not admitted"),
        ("double(action.units) > 1.0", "“double()” is not admitted"),
        ("action.payload.a.all(x, x.b.all(y, y))", "inside another comprehension"),
        ("action.payload.a.exists(x, x in action.payload.b)", "anew for every element"),
        ("action.payload.a.exists(x, x in action.destinations)", "anew for every element"),
        ("action.payload.a.exists(action, true)", "name of its own"),
        ("action.payload.a.exists(x.y, true)", "name of its own"),
        ("x > 1 && action.payload.a.all(x, true)", "There is no “x”"),
        ("action.payload.a.all(x, true) && x", "There is no “x”"),
        ("true // comment", "no comments"),
        ("true // && action.units > 3", "no comments"),
        # A bracket that the library does not see would end a comprehension for the reader alone.
        ("action.payload.a.all(x, // )\n action.payload.b.all(y, y))", "no comments"),
        ("'a\x00'", "NUL"),
        ("'\ud800'", "surrogates"),
        ("(" * 17 + "true" + ")" * 17, "16 deep"),
        ("true ? " * 17 + "true" + " : true" * 17, "16 deep"),
        ("1 + 1 +", "mismatched"),
        ("9223372036854775808 > 1", "invalid"),
    ],
)
def test_what_is_not_admitted_is_refused_with_a_sentence(text: str, says: str) -> None:
    assert says in refusal(text)


def facts(**changes: Any) -> Facts:
    known: dict[str, Any] = {
        "verb": "a.b", "capability": "read", "destinations": (), "units": 1, "amount": None,
        "data_classes": frozenset(), "data_scopes": frozenset(), "payload": {},
    }  # fmt: skip
    return Facts(Action(**{**known, **changes}), subject(), NOW)


def failure(text: str, **changes: Any) -> str:
    with pytest.raises(ConditionFailed) as failed:
        read_condition(text).holds(facts(**changes))
    return failed.value.kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("action.amount.nano > 3", "KeyError"),
        ("action.payload.a.b == 1", "KeyError"),
        ("action.units", "NotABool"),
        ("action.units + 1.5 > 2.0", "TypeError"),
        ("action.units / 0 == 1", "ZeroDivisionError"),
        ("action.units + 9223372036854775807 > 0", "OverflowError"),
        ("action.destinations[0] == 'x'", "IndexError"),
    ],
)
def test_no_answer_is_a_failure_that_repeats_nothing(text: str, kind: str) -> None:
    assert failure(text) == kind


def test_no_payload_reads_as_an_empty_one() -> None:
    assert read_condition("has(action.payload.x)").holds(facts(payload=None)) is False


def test_money_is_whole_billionths_and_what_is_too_much_fails() -> None:
    compiled = of_rules({"allow": {"when": "action.amount.nano == 820000000001 && action.amount.currency == 'USD'"}})
    assert ask(compiled, payment("820.000000001")).effect == "allow"
    assert ask(compiled, payment("820.000000002")).effect == "deny"
    too_much = ask(compiled, payment("9223372037"))
    assert (codes(too_much), "AmountTooLarge" in too_much.reasons[0].text) == (["evaluation_error"], True)


def test_a_failure_denies_where_enforced_and_is_recorded_in_shadow() -> None:
    rule = {"forbid": {"name": "odd", "when": "action.amount.nano > 3"}}
    broken = {"p": {"rules": [{"allow": {"name": "all"}}, rule]}}
    enforced = ask(snapshot(broken), form())
    assert (enforced.effect, codes(enforced)) == ("deny", ["evaluation_error"])
    assert enforced.reasons[0].text == (
        "The policies could not be evaluated (rule odd of p: its condition, KeyError), so nothing is allowed."
    )
    shadow = ask(
        snapshot({"a": {"rules": [{"allow": {"name": "all"}}]}, "p": {**broken["p"], "mode": "shadow"}}), form()
    )
    assert shadow.effect == "allow"
    assert [(one.policy, one.effect, one.reasons[0].code) for one in shadow.would_have] == [
        ("p", "deny", "evaluation_error")
    ]


def test_a_condition_is_asked_only_where_all_other_selectors_matched() -> None:
    failing = {"when": "action.amount.nano > 3"}
    compiled = of_rules(
        {"allow": {"verb": ["form.submit", "email.send"]}},
        {"forbid": {**failing, "verb": "email.**"}},
        {"forbid": {**failing, "data_class": "legal"}},
        {"forbid": {**failing, "destination": "https://else.example/*"}},
        {"forbid": {**failing, "provenance": "tool"}},
        {"forbid": {**failing, "amount_over": {"value": "1", "currency": "USD"}}},
    )
    assert ask(compiled, form()).effect == "allow"
    assert codes(ask(compiled, email("a@acme.com"))) == ["evaluation_error"]
    assert codes(ask(compiled, form(provenance={"": "tool"}))) == ["evaluation_error"]


def defect(text: str) -> str:
    try:
        require_conditions(parse({"p": {"rules": [{"forbid": {"name": "x", "when": text}}]}}), at="/policies")
    except DocumentInvalid as refused:
        (problem,) = refused.errors
        assert (problem.pointer, problem.code) == ("/policies/p/rules/0/forbid/when", "condition_fails")
        return problem.detail
    return ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("action.amount.nano > 3", "no amount"),
        ("action.units > 70 || action.amount.nano > 3", "has()"),
        ("action.units == 7 && action.amount.nano > 3", "units 7"),
        ("action.verb == 'payment.out' && action.amount.nano > 3", "KeyError"),
        ("'hr' in agent.tags && action.amount.nano > 3", "KeyError"),
        ("action.payload.x == 1", "has()"),
        ("has(action.payload.a.b)", "KeyError"),
        ("has(action.payload.a) && action.payload.a.b == 1", "KeyError"),
        ("has(action.payload.rows) && action.payload.rows.all(r, r.n > 1)", "{}"),
        ("action.destinations[0] == 'x'", "size()"),
        ("action.units", "true or false"),
        ("has(action.amount) ? action.units : true", "true or false"),
        ("has(action.amount) && action.amount.nano + 9223372036854775807 > 1", "OverflowError"),
        ("action.units + 1.5 > 2.0", "TypeError"),
    ],
)
def test_a_condition_that_would_fail_is_refused_when_it_is_saved(text: str, says: str) -> None:
    assert says in defect(text)


@pytest.mark.parametrize(
    "text",
    [
        "has(action.amount) && action.units > 3",
        "has(action.payload.a) && has(action.payload.a.b) && action.payload.a.b > 3",
        "has(action.payload.rows) && action.payload.rows.exists(r, has(r.n) && r.n > 1)",
        "size(action.destinations) == 1 && action.destinations[0].startsWith('email:')",
        "!(agent.environment == 'production') && now.getDayOfWeek() in [0, 6]",
        "now < timestamp('2027-01-01T00:00:00Z') - duration('12h')",
    ],
)
def test_guarded_conditions_are_saved(text: str) -> None:
    assert defect(text) == ""


def test_the_worst_that_is_admitted_stays_cheap() -> None:
    rows = [{"n": "x" * 20} for _ in range(MAX_VALUES // 2 - 2)]
    body = " && ".join(["r.n != 'y'"] * 24)
    condition = read_condition(f"action.payload.rows.all(r, {body})")
    asked = facts(payload={"rows": rows})
    began = time.process_time()
    assert condition.holds(asked) is True
    assert time.process_time() - began < 0.5
    assert failure(condition.text, payload={"rows": [*rows, {}, {}, {}]}) == "PayloadTooLarge"
    assert failure(condition.text, payload={"rows": ["x" * 70_000]}) == "PayloadTooLarge"
    # What does not read the payload does not mind its size.
    assert read_condition("action.units == 1").holds(facts(payload={"rows": ["x" * 70_000]}))


def test_facts_are_converted_once_for_all_conditions() -> None:
    asked = facts()
    assert asked.context(payload=True) is asked.context(payload=True)
    assert asked.context(payload=False) is not asked.context(payload=True)


def test_one_compiled_condition_serves_many_threads() -> None:
    compiled = of_rules({"allow": {"when": "action.destinations.exists(d, d.endsWith('@acme.com'))"}})
    with ThreadPoolExecutor(4) as pool:
        effects = set(pool.map(lambda _: ask(compiled, email("a@acme.com")).effect, range(200)))
    assert effects == {"allow"}


def test_conditions_with_the_same_text_are_equal() -> None:
    assert read_condition("true") == read_condition("true") != read_condition("false")
    assert isinstance(read_condition("true"), Condition)


PAGE = ROOT / "docs" / "policies.md"


def documented() -> list[tuple[str, str]]:
    """Return (expression, result) of the page's table of conditions."""
    return re.findall(r"^\| `([^`]+)` \| (true|false|fails) \|", PAGE.read_text(), re.MULTILINE)


def test_the_page_names_every_variable_function_and_limit() -> None:
    text = PAGE.read_text()
    names = {f"{root}.{field}" if field else root for root, fields in VARIABLES.items() for field in fields or {""}}
    assert [name for name in names if f"`{name}`" not in text] == []
    assert [name for name in FUNCTIONS | METHODS | LOOPS if name not in text] == []


@pytest.mark.parametrize(("text", "result"), documented())
def test_every_documented_condition_comes_out_as_the_page_says(text: str, result: str) -> None:
    action = declared(
        "payment.transfer",
        {"account": "DE1", "amount": {"value": "820.50", "currency": "USD"}, "rows": [{"n": 3}, {"n": 12}],
         "note": "Invoice 7"},
        units=2,
    )  # fmt: skip
    compiled = of_rules({"allow": {"when": text.replace("\\|", "|")}})
    verdict = ask(compiled, action, now=datetime.fromisoformat("2026-11-23T10:00:00+00:00"))
    expected = {"true": ["allowed"], "false": ["no_rule"], "fails": ["evaluation_error"]}
    assert codes(verdict) == expected[result]
    if result != "fails":
        assert defect(text.replace("\\|", "|")) == ""


def test_the_random_worlds_conditions_are_all_admitted() -> None:
    assert [text for text in CONDITIONS if read_condition(text).text != text] == []


_PARTS = """
    action.units action.amount.nano action.payload action.payload.a action.payload.rows action.destinations agent.tags
    now 1 0 9223372036854775807 1.5 'a' true null x x.n has( size( int( timestamp( ( ) [ ] .all(x, .exists(x, .size()
    .contains( .getHours() + - * / % < == && || ! ? : , in
""".split()  # noqa: SIM905 - a table, not a sentence
_PAYLOADS: tuple[Any, ...] = ({}, {"a": 1, "rows": [{"n": 1}, {"n": "x"}, 3]}, {"a": [[]], "rows": {"x": None}}, [1], 5)


@pytest.mark.slow
def test_random_expressions_are_refused_or_have_an_answer_or_fail_and_never_linger() -> None:
    dice, said = random.Random(4), set()
    for _ in range(20_000):
        text = " ".join(dice.choices(_PARTS, k=dice.choice([1, 2, 3, 5, 8, 13])))
        text += ")" * max(0, text.count("(") - text.count(")")) if dice.random() < 0.5 else ""
        try:
            condition = read_condition(text)
        except ExpressionInvalid:
            continue
        for payload in _PAYLOADS:
            began = time.process_time()
            try:
                said.add(condition.holds(facts(payload=payload)))
            except ConditionFailed as failed:
                said.add(failed.kind)
            assert time.process_time() - began < 0.5, text
    assert {True, False, "NotABool", "TypeError", "KeyError"} <= said
