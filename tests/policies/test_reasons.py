"""The catalogue of reasons."""

from __future__ import annotations

import string

import pytest

from policies.reasons import CATALOGUE, reason

PARAMETERS = {
    name for entry in CATALOGUE.values() for _, name, _, _ in string.Formatter().parse(entry.sentence) if name
}
PROMISED = {
    "agent_paused", "agent_retired", "kill_switch", "not_released", "unknown_verb", "declaration_mismatch",
    "capability_missing", "scope_missing", "destination_invalid", "forbidden", "no_rule", "batch_too_large",
    "outside_hours", "rate_limited", "approval_queue_full", "budget_exhausted", "review_required", "allowed",
    "evaluation_error", "policy_changed", "queue_full", "no_queue", "split_guarded", "frozen",
}  # fmt: skip


def test_every_promised_code_is_there() -> None:
    assert set(CATALOGUE) == PROMISED


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_says_a_sentence_and_who_can_change_it(code: str) -> None:
    entry = CATALOGUE[code]
    assert entry.code == code
    assert entry.changed_by
    assert entry.effect in {"allow", "deny", "review", "throttle"}
    parameters = dict.fromkeys(PARAMETERS - {"policy", "rule"}, "value")
    made = reason(code, policy="p", rule="r", **parameters)
    assert (made.policy, made.rule, made.code) == ("p", "r", code)
    assert made.text.endswith((".", "value"))


def test_agents_text_is_not_a_template() -> None:
    assert (
        reason("unknown_verb", verb="{policy.__class__}").text == "“{policy.__class__}” is not in the verb catalogue."
    )


def test_missing_parameter_is_an_error() -> None:
    with pytest.raises(KeyError):
        reason("unknown_verb")


@pytest.mark.parametrize("code", ["evaluation_error", "approval_queue_full", "policy_changed"])
def test_some_need_no_parameters(code: str) -> None:
    assert reason(code).text
