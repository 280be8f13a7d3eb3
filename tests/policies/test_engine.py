"""What the engine answers, promise by promise."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from policies.compile import compile_set
from policies.engine import judge
from policies.facts import LimitDemand
from policies.language import PolicySet, parse
from registry.amounts import Money
from tests.policies.cases import (
    NOW,
    QUEUES,
    VERBS,
    ask,
    codes,
    declared,
    email,
    form,
    of_rules,
    payment,
    snapshot,
    subject,
)  # fmt: skip

ALLOW: dict[str, Any] = {"allow": {}}
NIGHT = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
OFFICE = {"zone": "Europe/Berlin", "days": "mon-fri", "from": "09:00", "until": "18:00"}


def test_nothing_is_permitted_by_default() -> None:
    verdict = ask(of_rules(), form())
    assert (verdict.effect, codes(verdict)) == ("deny", ["no_rule"])
    assert verdict.reasons[0].text == "No rule permits form.submit to https://jobs.example.com/apply."


def test_allow_names_its_rule() -> None:
    verdict = ask(of_rules({"allow": {"name": "submit", "verb": "form.submit"}}), form())
    assert verdict.effect == "allow"
    assert [(one.policy, one.rule, one.code) for one in verdict.reasons] == [("p", "submit", "allowed")]


def test_review_wins_over_allow_and_every_queue_is_named() -> None:
    compiled = of_rules(ALLOW, {"review": {"queue": "outreach"}}, {"review": {"queue": "finance"}})
    verdict = ask(compiled, form())
    assert (verdict.effect, verdict.queues) == ("review", ("finance", "outreach"))
    assert codes(verdict) == ["review_required", "review_required"]


def test_precedence_from_kill_to_allow() -> None:
    rules: list[dict[str, Any]] = [
        ALLOW,
        {"review": {"queue": "outreach", "verb": "form.*"}},
        {"hours": {"verb": "form.*", **OFFICE}},
        {"forbid": {"destination": "https://evil.com/*"}},
    ]
    compiled = of_rules(*rules)
    assert ask(compiled, email("a@acme.com")).effect == "allow"
    assert ask(compiled, form()).effect == "review"
    assert ask(compiled, form(), now=NIGHT).effect == "throttle"
    assert codes(ask(compiled, form("https://evil.com/x"), now=NIGHT)) == ["forbidden"]
    killed = subject(kill="drill", state="paused", released=False)
    assert codes(ask(compiled, form("https://evil.com/x"), who=killed)) == [
        "kill_switch",
        "agent_paused",
        "not_released",
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": "paused"}, "agent_paused"),
        ({"state": "retired"}, "agent_retired"),
        ({"state": "gone"}, "agent_paused"),
        ({"kill": "kill of team talent"}, "kill_switch"),
        ({"released": False}, "not_released"),
        ({"capabilities": frozenset({"read"})}, "capability_missing"),
    ],
)
def test_standing_and_capabilities_come_before_rules(changes: dict[str, Any], code: str) -> None:
    assert codes(ask(of_rules(ALLOW), form(), who=subject(**changes))) == [code]


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [(None, "allow"), (frozenset(), "allow"), (frozenset({"candidates"}), "allow"), (frozenset({"payroll"}), "deny")],
)
def test_scopes_must_lie_within_the_agents(scopes: frozenset[str] | None, expected: str) -> None:
    verdict = ask(of_rules(ALLOW), form(data_scopes=scopes))
    assert verdict.effect == expected
    assert expected == "allow" or codes(verdict) == ["scope_missing"]


def test_scopes_left_out_are_all_of_the_agents() -> None:
    action, _ = judge(of_rules(ALLOW), subject(), form(), NOW)
    assert action is not None
    assert action.data_scopes == {"candidates"}


@pytest.mark.parametrize(
    ("said", "code", "place"),
    [
        (declared("email.nope"), "declaration_mismatch", "/verb"),
        (form(capability="read"), "declaration_mismatch", "/capability"),
        (form(destination="https://other.example/"), "declaration_mismatch", "/destination"),
        (email("a@acme.com", "b@acme.com", destination="email:a@acme.com"), "declaration_mismatch", "/destination"),
        (email("a@acme.com", units=2), "declaration_mismatch", "/units"),
        (email(), "declaration_mismatch", "/payload/to/*"),
        (declared("email.send", {"to": "a@acme.com"}), "declaration_mismatch", "/payload/to/*"),
        (declared("email.send", {"to": [1]}), "declaration_mismatch", "/payload/to/0"),
        (payment(amount=Money(Decimal(1), "USD")), "declaration_mismatch", "/amount"),
        (payment(currency="XXX"), "declaration_mismatch", "/payload/amount/currency"),
        (form("https://u@jobs.example.com/"), "destination_invalid", "userinfo"),
        (form(destination="https://h/../x"), "destination_invalid", "dot_segment"),
        (email("Jane <jane@acme.com>"), "destination_invalid", "control_character"),
    ],
)
def test_what_disagrees_is_denied(said: Any, code: str, place: str) -> None:
    action, verdict = judge(of_rules(ALLOW), subject(), said, NOW)
    assert action is None
    assert verdict.effect == "deny"
    assert codes(verdict)[0] == code
    assert place in verdict.reasons[0].text


def test_unknown_verb_says_both_codes() -> None:
    assert codes(ask(of_rules(ALLOW), declared("nope"))) == ["declaration_mismatch", "unknown_verb"]


def test_declared_destination_agrees_in_any_spelling() -> None:
    said = form("https://JOBS.example.com:443/apply", destination="https://jobs.example.com/apply")
    assert ask(of_rules(ALLOW), said).effect == "allow"
    assert ask(of_rules(ALLOW), email("a@acme.com", "A@ACME.com", destination="email:a@acme.com")).effect == "allow"


def test_declared_destination_counts_where_the_catalogue_has_none() -> None:
    compiled = of_rules({"allow": {"destination": "slack:#hiring"}})
    assert ask(compiled, declared("chat.post", destination="slack:#Hiring")).effect == "allow"
    assert ask(compiled, declared("chat.post", destination="slack:#other")).effect == "deny"
    assert ask(compiled, declared("chat.post")).effect == "deny"


def test_every_recipient_must_be_permitted() -> None:
    compiled = of_rules(
        {"allow": {"destination": "email:*@acme.com"}}, {"allow": {"destination": "email:*@partner.com"}}
    )
    assert ask(compiled, email("a@acme.com", "b@partner.com")).effect == "allow"
    verdict = ask(compiled, email("a@acme.com", "x@evil.com", "y@evil.com"))
    assert verdict.reasons[0].text == "No rule permits email.send to email:x@evil.com and 1 more."


def test_one_recipient_is_enough_for_a_review_and_for_a_forbid() -> None:
    held = of_rules(
        {"allow": {"verb": "email.**"}}, {"review": {"destination": "email:*@evil.com", "queue": "outreach"}}
    )
    assert ask(held, email("a@acme.com", "x@evil.com")).effect == "review"
    forbidden = of_rules(ALLOW, {"forbid": {"destination": "email:*@evil.com"}})
    assert ask(forbidden, email("a@acme.com", "x@evil.com")).effect == "deny"


def test_batch_bounds_its_own_rule() -> None:
    bounded = of_rules({"allow": {"name": "few", "batch": 25}})
    assert ask(bounded, form(units=25)).effect == "allow"
    verdict = ask(bounded, form(units=26))
    assert [(one.rule, one.code) for one in verdict.reasons] == [("few", "batch_too_large")]
    assert ask(of_rules({"allow": {"batch": 25}}, {"allow": {"batch": 50}}), form(units=26)).effect == "allow"


def test_a_large_batch_does_not_slip_past_its_review() -> None:
    compiled = of_rules(ALLOW, {"review": {"batch": 5, "queue": "outreach"}})
    assert ask(compiled, form(units=6)).effect == "review"


def test_labels_of_the_agent_hold_and_forbid_but_never_permit() -> None:
    labelled = form(data_classes=frozenset({"financial"}))
    assert ask(of_rules({"allow": {"data_class": "financial"}}), labelled).effect == "deny"
    assert ask(of_rules({"review": {"data_class": "financial", "queue": "finance"}}), labelled).effect == "deny"
    assert (
        ask(of_rules(ALLOW, {"review": {"data_class": "financial", "queue": "finance"}}), labelled).effect == "review"
    )
    assert ask(of_rules(ALLOW, {"forbid": {"data_class": ["legal", "financial"]}}), labelled).effect == "deny"
    assert ask(of_rules({"allow": {"data_class": "pii"}}), email("a@acme.com")).effect == "allow"


@pytest.mark.parametrize(
    ("value", "currency", "effect"),
    [("100.00", "USD", "allow"), ("100.01", "USD", "review"), ("1", "EUR", "deny"), ("10000.01", "USD", "deny")],
)
def test_amounts_are_compared_by_value(value: str, currency: str, effect: str) -> None:
    compiled = of_rules(
        ALLOW,
        {"review": {"amount_over": {"value": "100", "currency": "USD"}, "queue": "finance"}},
        {
            "forbid": {
                "amount_over": {"value": "10000.00", "currency": "USD"},
                "capability": "execute",
                "verb": "payment.**",
            }
        },
    )
    verdict = ask(compiled, payment(value, currency))
    assert verdict.effect == effect
    assert ask(compiled, form()).effect == "allow"


def test_capability_is_the_catalogues() -> None:
    compiled = of_rules({"allow": {"capability": ["write", "read"]}})
    assert ask(compiled, form()).effect == "allow"
    assert ask(compiled, email("a@acme.com")).effect == "deny"


def test_closed_hours_throttle_and_say_when_they_open() -> None:
    compiled = of_rules(ALLOW, {"hours": OFFICE}, {"hours": {**OFFICE, "from": "10:00"}})
    verdict = ask(compiled, form(), now=NIGHT)
    assert (verdict.effect, codes(verdict)) == ("throttle", ["outside_hours", "outside_hours"])
    assert verdict.retry_at == datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    assert "opens at 2026-11-24T09:00+01:00 (Europe/Berlin)" in verdict.reasons[0].text
    assert ask(compiled, form(), now=verdict.retry_at).effect == "allow"


def test_hours_that_never_open_together_deny() -> None:
    compiled = of_rules(ALLOW, {"hours": OFFICE}, {"hours": {**OFFICE, "days": "sun"}})
    assert ask(compiled, form()).effect == "deny"


def test_limits_are_demanded_for_allow_and_review() -> None:
    limit = {"limit": {"name": "pace", "units": 200, "per": "1d"}}
    expected = (LimitDemand("p", "pace", "policy", "", 3, 200, 86_400),)
    assert ask(of_rules(ALLOW, limit), form(units=3)).limits == expected
    assert ask(of_rules({"review": {"queue": "outreach"}}, limit), form(units=3)).limits == expected
    assert ask(of_rules({"forbid": {}}, limit), form(units=3)).limits == ()


@pytest.mark.parametrize(
    ("by", "value"), [("agent", "job-applier"), ("team", "talent"), ("verb", "form.submit"), (None, "")]
)
def test_limits_have_a_window_per_value(by: str | None, value: str) -> None:
    limit: dict[str, Any] = {"name": "pace", "units": 9, "per": "30m", **({"by": by} if by else {})}
    (demand,) = ask(of_rules(ALLOW, {"limit": limit}), form()).limits
    assert (demand.by, demand.by_value, demand.key) == (by or "policy", value, f"p/pace/{value}")


def test_limit_per_destination_counts_each_recipient() -> None:
    compiled = of_rules(ALLOW, {"limit": {"name": "each", "units": 5, "per": "1d", "by": "destination"}})
    demands = ask(compiled, email("a@acme.com", "b@acme.com", "A@acme.com")).limits
    assert [(one.by_value, one.units) for one in demands] == [("email:a@acme.com", 2), ("email:b@acme.com", 1)]
    demands = ask(compiled, declared("email.list.send", {"to": ["a@acme.com", "b@acme.com"]}, units=4)).limits
    assert [one.units for one in demands] == [4, 4]
    assert [one.by_value for one in ask(compiled, declared("report.read")).limits] == [""]


def test_limit_on_some_recipients_takes_only_those() -> None:
    compiled = of_rules(ALLOW, {"limit": {"destination": "email:*@acme.com", "units": 5, "per": "1d"}})
    assert [one.units for one in ask(compiled, email("a@acme.com", "b@x.com", "c@acme.com")).limits] == [2]


def test_action_larger_than_a_limit_is_denied_at_once() -> None:
    verdict = ask(of_rules(ALLOW, {"limit": {"units": 5, "per": "1d"}}), form(units=6))
    assert (verdict.effect, codes(verdict), verdict.limits) == ("deny", ["rate_limited"], ())


def test_key_of_a_long_destination_stays_short_and_apart() -> None:
    keys = {
        LimitDemand("p" * 64, "r" * 64, "destination", "https://a.example/" + "x" * 1_500 + tail, 1, 1, 1).key
        for tail in "ab"
    }
    assert len(keys) == 2
    assert max(map(len, keys)) <= 400


def test_policies_apply_to_whom_they_say() -> None:
    scope = {"agents": ["job-applier", "other"], "tags": "hr", "environments": ["production"]}
    compiled = of_rules(ALLOW, applies_to=scope)
    assert ask(compiled, form()).effect == "allow"
    for changes in ({"agent": "third"}, {"tags": frozenset({"eu"})}, {"environment": "staging"}):
        assert ask(compiled, form(), who=subject(**changes)).effect == "deny"
    assert ask(of_rules(ALLOW, applies_to={"teams": "talent"}), form()).effect == "allow"
    assert (
        ask(
            of_rules(ALLOW, applies_to={"tags": ["hr", "eu"]}), form(), who=subject(tags=frozenset({"hr", "eu"}))
        ).effect
        == "allow"
    )


def test_shadow_records_what_it_would_have_done_beside_the_enforced() -> None:
    compiled = snapshot(
        {
            "live": {"rules": [{"allow": {"name": "all"}}]},
            "draft": {"mode": "shadow", "rules": [{"forbid": {"name": "forms", "verb": "form.**"}}]},
            "hold": {"mode": "shadow", "rules": [{"review": {"name": "all", "queue": "finance"}}]},
            "idle": {"mode": "shadow", "rules": [{"forbid": {"name": "mail", "verb": "email.**"}}]},
        }
    )
    verdict = ask(compiled, form())
    assert (verdict.effect, codes(verdict)) == ("allow", ["allowed"])
    assert [(one.policy, one.effect) for one in verdict.would_have] == [("draft", "deny"), ("hold", "review")]
    assert verdict.would_have[0].reasons[0].rule == "forms"


def _with_broken_rule(mode: str) -> Any:
    """Break a rule in a way that no document can: its amount is text."""
    document = {
        "live": {"rules": [{"allow": {"name": "all"}}]},
        "odd": {
            "mode": mode,
            "rules": [{"forbid": {"name": "large", "amount_over": {"value": "1", "currency": "USD"}}}],
        },
    }
    policies = dict(parse(document).policies)
    rule = policies["odd"].rules[0]
    broken = replace(rule, selectors=replace(rule.selectors, amount_over=Money("1", "USD")))  # type: ignore[arg-type]
    policies["odd"] = replace(policies["odd"], rules=(broken,))
    return compile_set(PolicySet(policies), VERBS, QUEUES)


def test_error_in_an_enforced_rule_denies() -> None:
    verdict = ask(_with_broken_rule("enforce"), payment())
    assert verdict.effect == "deny"
    assert [(one.policy, one.rule, one.code) for one in verdict.reasons] == [("odd", "large", "evaluation_error")]
    assert "TypeError" in verdict.reasons[0].text


def test_error_in_a_shadow_rule_is_recorded_only() -> None:
    verdict = ask(_with_broken_rule("shadow"), payment())
    assert verdict.effect == "allow"
    assert [(one.policy, one.effect, one.reasons[0].code) for one in verdict.would_have] == [
        ("odd", "deny", "evaluation_error")
    ]


def test_naive_clock_denies_where_hours_matter() -> None:
    compiled = of_rules(ALLOW, {"hours": OFFICE})
    assert codes(ask(compiled, form(), now=NOW.replace(tzinfo=None))) == ["evaluation_error"]


def test_destinations_are_written_as_text() -> None:
    action, _ = judge(of_rules(ALLOW), subject(), email("a@ACME.com"), NOW)
    assert action is not None
    assert json.dumps([str(one) for one in action.destinations]) == '["email:a@acme.com"]'


def test_many_recipients_stay_cheap() -> None:
    compiled = of_rules(
        {"allow": {"destination": "email:*@acme.com"}}, {"limit": {"units": 9_000, "per": "1d", "by": "destination"}}
    )
    verdict = ask(compiled, email(*(f"u{index}@acme.com" for index in range(5_000))), now=NOW + timedelta(days=1))
    assert (verdict.effect, len(verdict.limits)) == ("allow", 5_000)
