"""Policies' own tests: who asks, when, and what is compared."""

from __future__ import annotations

from typing import Any

import pytest

from policies.compile import compile_set
from policies.facts import Subject
from policies.language import parse
from policies.rehearsal import Failure, rehearse
from tests.policies.cases import QUEUES, VERBS, subject

MAIL = {"verb": "email.send", "payload": {"to": ["a@example.com"]}}
FORM = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/x"}}
RULES = [
    {"allow": {"name": "submit", "verb": "form.submit"}},
    {"review": {"name": "mail", "verb": "email.**", "queue": "outreach"}},
    {"hours": {"name": "office", "verb": "email.**", "zone": "UTC", "from": "09:00", "until": "18:00"}},
]


def run(tests: list[dict[str, Any]], known: tuple[Subject, ...] = (subject(),), **policy: Any) -> tuple[Any, int]:
    policies = parse({"p": {"rules": RULES, **policy, "tests": tests}})
    return rehearse(policies, compile_set(policies, VERBS, QUEUES), {one.agent: one for one in known})


def test_right_expectations_pass() -> None:
    tests = [
        {"action": MAIL, "at": "2026-11-23T10:00:00+01:00", "expect": "review"},
        {"action": MAIL, "at": "2026-11-23T08:00:00Z", "expect": "throttle"},
        {"action": FORM, "expect": "allow"},
        {"action": {**FORM, "destination": "https://other.example/"}, "expect": "deny"},
        {"action": {"verb": "no.such"}, "expect": "deny"},
    ]
    assert run(tests) == ((), 5)


def test_wrong_expectations_are_reported_with_what_came_out_and_why() -> None:
    failures, count = run([{"action": FORM, "expect": "allow"}, {"action": MAIL, "expect": "allow"}])
    (failure,) = failures
    assert count == 2
    assert isinstance(failure, Failure)
    assert (failure.policy, failure.index, failure.expected, failure.got) == ("p", 1, "allow", "review")
    assert [one.code for one in failure.reasons] == ["review_required"]


def test_standing_of_the_agent_does_not_matter() -> None:
    known = subject(state="paused", kill="drill", released=False, environment="staging")
    assert run([{"action": FORM, "expect": "allow"}], (known,), applies_to={"environments": ["production"]}) == ((), 1)


@pytest.mark.parametrize(
    ("applies_to", "agent"),
    [
        ({"agents": ["job-applier", "x"]}, None),
        ({"teams": ["talent"]}, None),
        ({"tags": "hr"}, None),
        ({}, "job-applier"),
    ],
)
def test_the_agent_is_the_named_or_the_first_fitting(applies_to: dict[str, Any], agent: str | None) -> None:
    poor = subject(capabilities=frozenset({"read"}))
    rich = subject(agent="a-rich", team="other", tags=frozenset({"x"}))
    test = {"action": FORM, "expect": "deny", **({"agent": agent} if agent else {})}
    assert run([test], (rich, poor), **({"applies_to": applies_to} if applies_to else {})) == ((), 1)


@pytest.mark.parametrize(
    "applies_to", [{"agents": "nobody-yet"}, {"teams": "new"}, {"tags": ["t"]}, {"environments": "staging"}]
)
def test_an_agent_that_does_not_exist_yet_is_made_up(applies_to: dict[str, Any]) -> None:
    test = {"action": {**FORM, "data_scopes": ["candidates"]}, "expect": "allow"}
    assert run([test], (), applies_to=applies_to) == ((), 1)


def test_tests_of_a_shadow_policy_see_its_own_answer() -> None:
    tests = [{"action": FORM, "expect": "allow"}, {"action": {"verb": "report.read"}, "expect": "deny"}]
    assert run(tests, mode="shadow") == ((), 2)
