"""Split guards, freezes, obligations, provenance: what they are in a document, and what they answer."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from policies.facts import LimitDemand, Verdict
from policies.freezes import instant
from policies.replaying.windows import Windows
from tests.policies.cases import NOW, ask, codes, declared, email, form, of_rules, payment
from tests.policies.test_language import rule_defects

MONEY = {"value": "100.00", "currency": "USD"}
SPLIT = {"name": "x", "max": 2, "per": "1h"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"split": SPLIT}, [("/split/distinct", "missing")]),
        ({"split": {**SPLIT, "distinct": "destination", "sum": "units"}}, [("/split/distinct", "missing")]),
        ({"split": {**SPLIT, "distinct": "verb"}}, [("/split/distinct", "unknown_value")]),
        ({"split": {**SPLIT, "distinct": "destination", "by": "destination"}}, [("/split/by", "not_here")]),
        ({"split": {**SPLIT, "distinct": "destination", "max": MONEY}}, [("/split/max", "wrong_type")]),
        ({"split": {**SPLIT, "sum": "amount"}}, [("/split/max", "invalid_amount")]),
        (
            {"split": {**SPLIT, "sum": "amount", "max": {"value": "99999999999", "currency": "USD"}}},
            [("/split/max/value", "out_of_range")],
        ),
        (
            # What money in another currency takes: it would be admitted once.
            {"split": {**SPLIT, "sum": "amount", "max": {"value": "9223372036.854775807", "currency": "USD"}}},
            [("/split/max/value", "out_of_range")],
        ),
        ({"split": {"name": "x", "sum": "units"}}, [("/split/per", "missing"), ("/split/max", "missing")]),
        ({"freeze": {"name": "x"}}, [("/freeze/from", "missing"), ("/freeze/until", "missing")]),
        (
            {"freeze": {"name": "x", "from": "2026-12-24T18:00", "until": "2026-12-27T06:00+01:00"}},
            [("/freeze/from", "missing_zone")],
        ),
        (
            {"freeze": {"name": "x", "zone": "UTC", "from": "2026-12-24", "until": "2026-12-24"}},
            [("/freeze/until", "out_of_range")],
        ),
        (
            {"freeze": {"name": "x", "zone": "Mars/Olympus", "from": "24.12.", "until": "2026-12-27"}},
            [("/freeze/zone", "unknown_zone")],
        ),
        ({"freeze": {"name": "x", "zone": "UTC", "from": "24.12.", "until": 7}},
         [("/freeze/from", "invalid_time"), ("/freeze/until", "invalid_time")]),
        ({"allow": {"name": "x", "provenance": ["user"]}}, [("/allow/provenance", "not_here")]),
        ({"forbid": {"name": "x", "provenance": "internet"}}, [("/forbid/provenance", "unknown_value")]),
        ({"forbid": {"name": "x", "provenance": {"at": "body"}}},
         [("/forbid/provenance/at", "invalid_pointer"), ("/forbid/provenance/from", "missing")]),
        ({"forbid": {"name": "x", "provenance": {"from": "web", "of": 1}}},
         [("/forbid/provenance/at", "missing"), ("/forbid/provenance/of", "unknown_field")]),
        ({"forbid": {"name": "x", "obligations": ["log:full"]}}, [("/forbid/obligations", "unknown_field")]),
        ({"allow": {"name": "x", "obligations": ["log:full", "shout:loud"]}},
         [("/allow/obligations/1", "unknown_value")]),
        ({"allow": {"name": "x", "obligations": "redact:No Slug"}}, [("/allow/obligations", "unknown_value")]),
        ({"allow": {"name": "x", "obligations": "discard:soon"}}, [("/allow/obligations", "unknown_value")]),
        ({"forbid": {"name": "x", "when": "action.colour == 'red'"}}, [("/forbid/when", "invalid_condition")]),
    ],
)  # fmt: skip
def test_defects_are_refused_with_a_pointer(rule: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert rule_defects(rule) == expected


def demands(verdict: Verdict) -> list[tuple[str, str, int, int]]:
    return [(one.by, one.by_value, one.units, one.maximum) for one in verdict.limits]


def test_a_split_counts_each_distinct_destination_that_it_is_about_once() -> None:
    compiled = of_rules(
        {"allow": {}}, {"split": {"distinct": "destination", "destination": "email:*@acme.com", "max": 2, "per": "1h"}}
    )
    twice = ask(compiled, email("a@acme.com", "A@ACME.com", "b@acme.com", "c@elsewhere.example"))
    assert (twice.effect, demands(twice)) == ("allow", [("agent", "job-applier", 2, 2)])
    (demand,) = twice.limits
    assert len(demand.values) == 2
    assert "acme" not in str(demand.values)
    assert ask(compiled, email("c@elsewhere.example")).limits == ()
    too_many = ask(compiled, email("a@acme.com", "b@acme.com", "c@acme.com"))
    assert (too_many.effect, codes(too_many)) == ("deny", ["split_guarded"])
    assert too_many.reasons[0].text == (
        "p admits 2 destinations in 3600 s (rule r1); 0 destinations taken, 3 destinations asked."
    )
    assert ask(compiled, form()).limits == ()


def test_a_split_sums_units_and_money() -> None:
    compiled = of_rules(
        {"allow": {}},
        {"split": {"verb": "form.*", "sum": "units", "max": 5, "per": "1h", "by": "verb"}},
        {"split": {"sum": "amount", "max": MONEY, "per": "1d", "by": "team"}},
    )
    assert demands(ask(compiled, form(units=3))) == [("verb", "form.submit", 3, 5)]
    assert demands(ask(compiled, payment("99.99"))) == [("team", "talent", 99_990_000_000, 100_000_000_000)]
    over, foreign = ask(compiled, payment("100.01")), ask(compiled, payment("1", "EUR"))
    assert over.reasons[0].text == "p admits 100 USD in 86400 s (rule r2); 0 USD taken, 100.01 USD asked."
    assert (over.effect, foreign.effect, codes(foreign)) == ("deny", "deny", ["split_guarded"])
    assert ask(compiled, payment("0")).limits == ()


def test_money_and_units_under_one_name_have_windows_of_their_own() -> None:
    units, dollars, euros = (
        LimitDemand("p", "r", "agent", "a", 1, 1, 1, split=True, currency=currency) for currency in ("", "USD", "EUR")
    )
    assert len({units.key, dollars.key, euros.key}) == 3


def frozen(moment: datetime, **rule: str) -> Verdict:
    return ask(of_rules({"allow": {}}, {"freeze": rule}), form(), now=moment)


def test_a_freeze_is_half_open_and_says_when_it_ends() -> None:
    rule = {"from": "2026-12-24T18:00", "until": "2026-12-27", "zone": "Europe/Berlin"}
    starts, ends = datetime(2026, 12, 24, 17, tzinfo=UTC), datetime(2026, 12, 26, 23, tzinfo=UTC)
    instant_before = timedelta(microseconds=1)
    for moment, effect in (
        (starts - instant_before, "allow"), (starts, "throttle"), (ends - instant_before, "throttle"), (ends, "allow"),
    ):  # fmt: skip
        verdict = frozen(moment, **rule)
        assert verdict.effect == effect, moment
        assert verdict.retry_at == (ends if effect == "throttle" else None)
    assert frozen(starts, **rule).reasons[0].text == (
        "p is frozen until 2026-12-27T00:00+01:00 (Europe/Berlin) (rule r1)."
    )


def test_a_freeze_lasts_an_hour_less_or_more_where_the_clock_jumps() -> None:
    rule = {"from": "2026-03-28T12:00", "until": "2026-03-29T12:00", "zone": "Europe/Berlin"}
    assert frozen(datetime(2026, 3, 28, 11, tzinfo=UTC), **rule).retry_at == datetime(2026, 3, 29, 10, tzinfo=UTC)
    rule = {"from": "2026-10-24T12:00", "until": "2026-10-25T12:00", "zone": "Europe/Berlin"}
    assert frozen(datetime(2026, 10, 24, 10, tzinfo=UTC), **rule).retry_at == datetime(2026, 10, 25, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall", "first", "last"),
    [
        ("2026-10-25T02:30", "2026-10-25T00:30", "2026-10-25T01:30"),  # shown twice
        ("2026-03-29T02:30", "2026-03-29T01:00", "2026-03-29T01:00"),  # skipped: when the clock jumps
        ("2026-03-29T03:00", "2026-03-29T01:00", "2026-03-29T01:00"),
        ("2026-03-29T01:59", "2026-03-29T00:59", "2026-03-29T00:59"),
    ],
)
def test_moments_at_which_the_clock_jumps(wall: str, first: str, last: str) -> None:
    zone = ZoneInfo("Europe/Berlin")
    shown = datetime.fromisoformat(wall)
    assert instant(shown, zone, last=False) == datetime.fromisoformat(first).replace(tzinfo=UTC)
    assert instant(shown, zone, last=True) == datetime.fromisoformat(last).replace(tzinfo=UTC)


def test_hours_that_open_during_a_freeze_wait_for_its_end() -> None:
    rules = [
        {"allow": {}},
        {"hours": {"zone": "UTC", "from": "11:00", "until": "12:00"}},
        {"freeze": {"from": "2026-11-23T10:30:00Z", "until": "2026-11-24T11:15:00+00:00"}},
    ]
    verdict = ask(of_rules(*rules), form(), now=NOW)
    assert (codes(verdict), verdict.retry_at) == (["outside_hours"], datetime(2026, 11, 24, 11, 15, tzinfo=UTC))


def obligations(verdict: Verdict) -> list[str]:
    return [f"{one['rule']} {one['name']}:{one['value']}" for one in verdict.obligations]


def test_obligations_of_every_rule_that_permits_are_answered_and_of_no_other() -> None:
    compiled = of_rules(
        {"allow": {"verb": "email.**", "obligations": ["log:full", "redact:pii"]}},
        {"allow": {"verb": "email.**", "obligations": "redact:pii"}},
        {"allow": {"verb": "email.**", "batch": 1, "obligations": "notify:talent"}},
        {"allow": {"verb": "form.**", "obligations": "discard:30d"}},
        {"review": {"destination": "email:*@acme.com", "queue": "outreach", "obligations": "notify:outreach"}},
    )
    allowed, held = ask(compiled, email("a@x.example", "b@x.example")), ask(compiled, email("a@acme.com"))
    assert (allowed.effect, held.effect) == ("allow", "review")
    assert obligations(allowed) == ["r0 log:full", "r0 redact:pii", "r1 redact:pii"]
    assert set(obligations(held)) == {*obligations(allowed), "r2 notify:talent", "r4 notify:outreach"}
    assert ask(compiled, declared("report.read")).obligations == ()


TAINTED = {"forbid": {"provenance": {"at": "/to/*", "from": ["web", "tool"]}}}


@pytest.mark.parametrize(
    ("claims", "effect"),
    [
        ({}, "deny"),
        ({"": "user"}, "allow"),
        ({"/to": "user"}, "allow"),
        ({"/to/0": "user"}, "deny"),
        ({"/to/0": "user", "/to/1": "agent"}, "allow"),
        ({"/to": "user", "/to/1": "tool"}, "deny"),
        ({"": "web", "/to": "operator"}, "allow"),
        ({"to": "user", "/t": "user", "/to/00": "user", "/to/~2": "user"}, "deny"),
    ],
)
def test_what_nothing_is_said_about_came_from_the_web(claims: dict[str, str], effect: str) -> None:
    compiled = of_rules({"allow": {}}, TAINTED)
    assert ask(compiled, email("a@acme.com", "b@acme.com", provenance=claims)).effect == effect


def test_one_element_without_the_value_does_not_hide_the_others() -> None:
    compiled = of_rules({"allow": {}}, {"forbid": {"provenance": {"at": "/notes/*/body", "from": "web"}}})
    notes = {"notes": [{"body": "a"}, {}, {"body": "b"}]}
    assert ask(compiled, declared("report.read", notes)).effect == "deny"
    assert ask(compiled, declared("report.read", {"notes": [{}]})).effect == "allow"
    said = {"/notes/0": "user", "/notes/2/body": "user"}
    assert ask(compiled, declared("report.read", notes, provenance=said)).effect == "allow"


def test_an_agents_claim_holds_an_action_and_never_permits_one() -> None:
    claimed = {"": "tool"}
    alone = of_rules({"review": {"provenance": ["tool"], "queue": "finance"}})
    assert codes(ask(alone, payment(provenance=claimed))) == ["no_rule"]
    beside = of_rules({"allow": {}}, {"review": {"provenance": ["tool"], "queue": "finance"}})
    assert ask(beside, payment(provenance=claimed)).effect == "review"
    assert ask(beside, payment()).effect == "allow"
    silent = of_rules({"review": {"provenance": ["web", "tool"], "queue": "finance"}})
    assert [ask(silent, payment(provenance=said)).effect for said in ({}, claimed, {"": "user"})] == [
        "review", "review", "deny",
    ]  # fmt: skip


def test_a_replay_counts_distinct_values_as_the_database_does() -> None:
    def asked(*values: str) -> list[LimitDemand]:
        return [LimitDemand("p", "r", "agent", "a", len(values), 2, 3_600, split=True, values=values)]

    windows, begin = Windows(), NOW
    for minute, values in ((0, "a"), (10, "b"), (20, "a")):
        assert windows.exhausted(asked(*values), at=begin + timedelta(minutes=minute)) is None
        windows.take(asked(*values), at=begin + timedelta(minutes=minute))
    for held in (windows, Windows(windows.keep())):
        assert held.exhausted(asked("c"), at=begin + timedelta(minutes=69)) == (asked("c")[0], 2)
        assert held.exhausted(asked("a", "b"), at=begin + timedelta(minutes=69)) is None
        assert held.exhausted(asked("c"), at=begin + timedelta(minutes=70)) is None


def test_thousands_of_claims_are_planted_once_for_all_rules() -> None:
    rule = {"forbid": {"provenance": {"at": "/rows/*", "from": "tool"}}}
    compiled = of_rules({"allow": {}}, *[rule] * 20)
    rows = {f"/rows/{index}": "user" for index in range(4_000)}
    asked = declared("report.read", {"rows": ["x"] * 4_000}, provenance=rows)
    began = time.process_time()
    assert ask(compiled, asked).effect == "allow"
    assert time.process_time() - began < 2
