"""Policy documents: every defect with its pointer, and back out exactly as they came in."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import date, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given

from audit.refusals import Invalid
from policies.language import DocumentInvalid, dump, parse
from tests.policies.worlds import DICE, Dice

DOCUMENT = """
job-applications:
  applies_to: {agents: [job-applier]}
  mode: enforce
  rules:
    - allow:  {name: submit, verb: form.submit, destination: "https://jobs.example.com/*", batch: 25}
    - review: {name: mail, verb: "email.**", queue: outreach}
    - limit:  {name: pace, verb: form.submit, units: 200, per: 1d, by: agent}
    - hours:
        {name: office, verb: "email.**", zone: Europe/Berlin, days: mon-fri, from: "09:00", until: "18:00",
         holidays: [2026-12-25]}
    - forbid: {name: no-money-in-chat, data_class: financial, destination: "slack:*"}
    - forbid: {name: large, verb: "payment.**", amount_over: {value: "10000.00", currency: USD}}
    - split:  {name: drip, verb: "email.**", distinct: destination, max: 50, per: 1h}
    - split:  {name: sums, sum: amount, max: {value: "50000.00", currency: USD}, per: 1d, by: team}
    - review: {name: tainted, provenance: [web, tool], verb: "payment.**", queue: finance, obligations: ["redact:pii"]}
    - forbid: {name: body, provenance: {at: [/body, "/notes/*"], from: web}}
    - forbid: {name: odd, verb: "payment.**", when: "has(action.amount) && action.units > 3"}
    - freeze: {name: year-end, zone: Europe/Berlin, from: 2026-12-24, until: "2027-01-02T06:00"}
  tests:
    - {action: {verb: email.send, payload: {to: [a@example.com]}}, at: "2026-11-23T10:00:00+01:00", expect: review}
"""


def document() -> dict[str, Any]:
    return dict(yaml.safe_load(DOCUMENT))


def defects(policies: Any, at: str = "") -> list[tuple[str, str]]:
    with pytest.raises(DocumentInvalid) as refused:
        parse(policies, at=at)
    return [(problem.pointer, problem.code) for problem in refused.value.errors]


def rule_defects(rule: dict[str, Any]) -> list[tuple[str, str]]:
    return [(pointer.removeprefix("/p/rules/0"), code) for pointer, code in defects({"p": {"rules": [rule]}})]


def test_the_designs_example_is_read_and_written_back_exactly() -> None:
    policies = parse(document())
    assert dump(policies, native_dates=True) == document()
    assert yaml.safe_load(yaml.safe_dump(dump(policies, native_dates=True), sort_keys=False)) == document()


def test_json_form_is_stable_and_read_back_the_same() -> None:
    policies = parse(document())
    written = json.loads(json.dumps(dump(policies)))
    assert written["job-applications"]["rules"][3]["hours"]["holidays"] == ["2026-12-25"]
    assert parse(written) == policies
    assert dump(parse(written)) == written


@given(DICE)
def test_any_document_is_written_back_exactly(dice: Dice) -> None:
    policies = dice.document()
    before = deepcopy(policies)
    parsed = parse(policies)
    assert policies == before
    assert dump(parsed) == policies
    assert parse(dump(parsed)) == parsed
    assert json.dumps(dump(parse(dict(reversed(policies.items()))))) == json.dumps(dump(parsed))


def test_keys_are_written_in_the_order_in_which_people_read_them() -> None:
    shuffled = {
        "z": {"rules": [{"allow": {"batch": 1, "verb": "a.b", "name": "n"}}], "mode": "shadow"},
        "a": {"rules": []},
    }
    written = dump(parse(shuffled))
    assert list(written) == ["a", "z"]
    assert list(written["z"]) == ["mode", "rules"]
    assert list(written["z"]["rules"][0]["allow"]) == ["name", "verb", "batch"]


def test_what_is_read_means_what_it_says() -> None:
    policy = parse(document()).policies["job-applications"]
    assert (policy.mode, policy.shadow, set(policy.applies_to.agents)) == ("enforce", False, {"job-applier"})
    allow, review, limit, hours, *_ = policy.rules
    assert (allow.kind, allow.name, allow.batch, review.queue) == ("allow", "submit", 25, "outreach")
    assert limit.limit is not None
    assert (limit.limit.units, limit.limit.seconds, limit.limit.by) == (200, 86_400, "agent")
    assert hours.hours is not None
    assert hours.hours.days == {0, 1, 2, 3, 4}
    assert hours.hours.holidays == {date(2026, 12, 25)}
    assert policy.tests[0].at == datetime.fromisoformat("2026-11-23T10:00:00+01:00")


def test_mode_left_out_is_enforced() -> None:
    assert parse({"p": {"rules": []}}).policies["p"].mode == "enforce"


def test_every_defect_is_reported_not_only_the_first() -> None:
    broken = {
        "Bad Name": {"rules": []},
        "p": {
            "aplies_to": {},
            "applies_to": {"agents": [], "team": "x", "tags": ["A B"]},
            "mode": "enforced",
            "rules": [
                {"allow": {"verb": "em*", "destination": ["https://a.example/*", "nowhere"], "batch": 0}},
                {"allow": {"name": "x"}, "forbid": {"name": "y"}},
                {"permit": {"name": "x"}},
                {"review": {"name": "r"}},
                {"limit": {"name": "r", "units": True, "per": "1 day", "by": "key"}},
                "allow everything",
            ],
            "tests": [{"action": {"payload": {}}, "at": "2026-11-23T10:00:00", "expect": "maybe"}, {"expect": "deny"}],
        },
        "q": {},
    }
    assert sorted(defects(broken, at="/policies")) == sorted(
        [
            ("/policies/Bad Name", "invalid_name"),
            ("/policies/p/aplies_to", "unknown_field"),
            ("/policies/p/applies_to/agents", "wrong_type"),
            ("/policies/p/applies_to/team", "unknown_field"),
            ("/policies/p/applies_to/tags/0", "invalid_name"),
            ("/policies/p/mode", "unknown_value"),
            ("/policies/p/rules/0/allow/name", "missing"),
            ("/policies/p/rules/0/allow/verb", "invalid_pattern"),
            ("/policies/p/rules/0/allow/destination/1", "invalid_pattern"),
            ("/policies/p/rules/0/allow/batch", "out_of_range"),
            ("/policies/p/rules/1", "wrong_type"),
            ("/policies/p/rules/2/permit", "unknown_field"),
            ("/policies/p/rules/3/review/queue", "missing"),
            ("/policies/p/rules/4/limit/units", "wrong_type"),
            ("/policies/p/rules/4/limit/per", "invalid_duration"),
            ("/policies/p/rules/4/limit/by", "unknown_value"),
            ("/policies/p/rules/4/limit/name", "duplicate_name"),
            ("/policies/p/rules/5", "wrong_type"),
            ("/policies/p/tests/0/action/verb", "missing"),
            ("/policies/p/tests/0/at", "invalid_time"),
            ("/policies/p/tests/0/expect", "unknown_value"),
            ("/policies/p/tests/1/action", "missing"),
            ("/policies/q/rules", "missing"),
        ]
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"allow": {"name": "x", "queue": "q"}}, [("/allow/queue", "unknown_field")]),
        ({"forbid": {"name": "x", "batch": 2}}, [("/forbid/batch", "unknown_field")]),
        ({"allow": {"name": "No Slug"}}, [("/allow/name", "invalid_name")]),
        ({"allow": {"name": "x", "verb": []}}, [("/allow/verb", "wrong_type")]),
        ({"allow": {"name": "x", "verb": [1]}}, [("/allow/verb/0", "wrong_type")]),
        ({"allow": {"name": "x", "capability": "delete"}}, [("/allow/capability", "unknown_value")]),
        ({1: {"name": "x"}}, [("/1", "wrong_type"), ("", "wrong_type")]),
        ({"allow": None}, [("/allow", "wrong_type")]),
    ],
)  # fmt: skip
def test_odd_rules_are_refused_with_a_pointer(rule: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert rule_defects(rule) == expected


@pytest.mark.parametrize(
    ("kind", "amount", "pointer", "code"),
    [
        ("allow", {"value": "1", "currency": "USD"}, "", "not_here"),
        ("forbid", {"value": 1, "currency": "USD"}, "/value", "invalid_amount"),
        ("forbid", {"value": "1", "currency": "usd"}, "/currency", "invalid_amount"),
        ("forbid", "1 USD", "", "invalid_amount"),
    ],
)
def test_odd_amounts_are_refused_with_a_pointer(kind: str, amount: Any, pointer: str, code: str) -> None:
    assert rule_defects({kind: {"name": "x", "amount_over": amount}}) == [(f"/{kind}/amount_over{pointer}", code)]


@pytest.mark.parametrize(
    ("changes", "key", "code"),
    [
        ({"zone": "Mars/Olympus"}, "zone", "unknown_zone"),
        ({"zone": "../../etc/passwd"}, "zone", "unknown_zone"),
        ({"zone": "Europe"}, "zone", "unknown_zone"),
        ({"days": "mon-"}, "days", "unknown_value"),
        ({"days": "monday"}, "days", "unknown_value"),
        ({"from": "9:00"}, "from", "invalid_time"),
        ({"from": 540}, "from", "invalid_time"),
        ({"from": "24:00"}, "from", "invalid_time"),
        ({"until": "25:00"}, "until", "invalid_time"),
        ({"until": "09:00"}, "until", "out_of_range"),
        ({"holidays": ["2026-02-30"]}, "holidays/0", "invalid_date"),
        ({"holidays": ["christmas"]}, "holidays/0", "invalid_date"),
        ({"holidays": "2026-12-25"}, "holidays", "wrong_type"),
    ],
)
def test_odd_hours_are_refused_with_a_pointer(changes: dict[str, Any], key: str, code: str) -> None:
    hours = {"name": "x", "zone": "UTC", "from": "09:00", "until": "18:00", **changes}
    assert rule_defects({"hours": hours}) == [(f"/hours/{key}", code)]


def test_days_go_round_the_week_and_default_to_all() -> None:
    base = {"name": "x", "zone": "UTC", "from": "09:00", "until": "24:00"}
    for days, expected in (
        (None, set(range(7))),
        ("fri-mon", {4, 5, 6, 0}),
        (["mon", "wed-thu"], {0, 2, 3}),
        ("sun", {6}),
    ):
        rule = {"hours": base if days is None else {**base, "days": days}}
        (read,) = parse({"p": {"rules": [rule]}}).policies["p"].rules
        assert read.hours is not None
        assert read.hours.days == expected


@pytest.mark.parametrize(
    ("action", "pointer", "code"),
    [
        ({"verb": "Email Send"}, "verb", "invalid_name"),
        ({"verb": "a.b", "units": 0}, "units", "out_of_range"),
        ({"verb": "a.b", "capability": "all"}, "capability", "unknown_value"),
        ({"verb": "a.b", "amount": {"value": "-1", "currency": "USD"}}, "amount/value", "invalid_amount"),
        ({"verb": "a.b", "payload": {"day": date(2026, 1, 1)}}, "payload/day", "wrong_type"),
        ({"verb": "a.b", "payload": {"n": float("nan")}}, "payload/n", "number_out_of_range"),
        ({"verb": "a.b", "payload": [2**53]}, "payload/0", "number_out_of_range"),
        ({"verb": "a.b", "payload": {1: 2}}, "payload/1", "wrong_type"),
        ({"verb": "a.b", "payload": {"t": "\x00"}}, "payload/t", "unstorable_text"),
        ({"verb": "a.b", "provenance": {"/x": "internet"}}, "provenance/~1x", "unknown_value"),
        ({"verb": "a.b", "provenance": {"/\x00": "web"}}, "provenance", "unstorable_text"),
        ({"verb": "a.b", "purpose": "x"}, "purpose", "unknown_field"),
    ],
)
def test_odd_tests_are_refused_with_a_pointer(action: dict[str, Any], pointer: str, code: str) -> None:
    policies = {"p": {"rules": [], "tests": [{"action": action, "expect": "deny"}]}}
    assert (f"/p/tests/0/action/{pointer}", code) in defects(policies)


def test_payload_deeper_than_any_request_is_refused() -> None:
    payload: Any = 1
    for _ in range(2_000):
        payload = [payload]
    policies = {"p": {"rules": [], "tests": [{"action": {"verb": "a.b", "payload": payload}, "expect": "deny"}]}}
    assert [code for _, code in defects(policies)] == ["too_deep"]


@pytest.mark.parametrize("raw", [None, [], "policies", 3])
def test_something_else_than_policies_is_refused(raw: Any) -> None:
    assert defects(raw) == [("", "wrong_type")]


def test_a_refusal_is_a_refusal_of_the_house() -> None:
    with pytest.raises(Invalid) as refused:
        parse({"p": {"rules": 3}})
    assert (refused.value.status, refused.value.code) == (422, "document_invalid")
