"""The one catalogue of reasons: a stable code, a sentence with parameters, and who can change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from policies.facts import Reason

_OPERATOR: Final = "an operator of the agent's team"
_PUBLISHER: Final = "whoever may publish the policy"
_ASKER: Final = "the agent, by asking for what is so"
_CATALOGUE: Final = "an administrator, in the verb catalogue"
_TIME: Final = "time"


@dataclass(frozen=True, slots=True)
class Entry:
    """One code.

    Attributes:
        code: stable; clients compare it.
        effect: what a decision with this reason says.
        sentence: template in the form of `str.format`.
        changed_by: who can change it.
        defaults: parameters that may be left out.
    """

    code: str
    effect: str
    sentence: str
    changed_by: str
    defaults: Mapping[str, object] = field(default_factory=dict)


_ENTRIES: Final = (
    Entry("kill_switch", "deny", "A kill switch is in force: {kill}.", "whoever may lift the kill switch"),
    Entry("agent_retired", "deny", "{agent} is retired.", "nobody; retirement is final"),
    Entry("agent_paused", "deny", "{agent} is paused.", _OPERATOR),
    Entry("not_released", "deny", "{agent} has no live release in {environment}.", _OPERATOR),
    Entry("unknown_verb", "deny", "“{verb}” is not in the verb catalogue.", _CATALOGUE),
    Entry("declaration_mismatch", "deny", "The declaration does not fit at {pointer}: {detail}", _ASKER),
    Entry("destination_invalid", "deny", "The destination is not acceptable ({kind}): {detail}", _ASKER),
    Entry("capability_missing", "deny", "{verb} needs the capability {capability}; {agent} lacks it.", _OPERATOR),
    Entry("scope_missing", "deny", "{agent} may not touch the data scopes {scopes}.", _OPERATOR),
    Entry("forbidden", "deny", "{policy} forbids this (rule {rule}).", _PUBLISHER),
    Entry("no_rule", "deny", "No rule permits {verb}{place}.", _PUBLISHER, {"place": ""}),
    Entry(
        "batch_too_large",
        "deny",
        "{units} at once are too many; {policy} admits at most {maximum} (rule {rule}).",
        "the agent, by asking for fewer",
    ),
    Entry(
        "outside_hours",
        "throttle",
        "Outside the hours of {policy} (rule {rule}); {opening}.",
        _TIME,
    ),
    Entry(
        "rate_limited",
        "throttle",
        "{policy} admits {maximum} in {seconds} s (rule {rule}); {admitted} are taken, {units} asked.",
        _TIME,
    ),
    Entry(
        "split_guarded",
        "throttle",
        "{policy} admits {maximum} in {seconds} s (rule {rule}); {admitted} taken, {units} asked.",
        _TIME,
    ),
    Entry("frozen", "throttle", "{policy} is frozen until {until} (rule {rule}).", _TIME),
    Entry(
        "approval_queue_full",
        "throttle",
        "The agent has {most} requests waiting for people already.",
        "reviewers, by deciding what waits",
        {"most": "too many"},
    ),
    Entry(
        "queue_full",
        "throttle",
        "{queue} holds {most} requests, as many as it may.",
        "reviewers, by deciding what waits",
    ),
    Entry(
        "no_queue",
        "deny",
        "Its queue is chosen by what the queues match, and none takes this; there is no fallback.",
        "whoever manages the queues, or may publish the policy",
    ),
    Entry(
        "budget_exhausted",
        "deny",
        "The budget {budget} is spent. {detail}",
        "whoever may raise the budget",
        {"detail": ""},
    ),
    Entry("review_required", "review", "{policy} has {queue} look at this first (rule {rule}).", _PUBLISHER),
    Entry("allowed", "allow", "{policy} allows this (rule {rule}).", _PUBLISHER),
    Entry(
        "evaluation_error",
        "deny",
        "The policies could not be evaluated{where}, so nothing is allowed.",
        _PUBLISHER,
        {"where": ""},
    ),
    Entry(
        "policy_changed",
        "deny",
        "What was approved is not permitted any more.",
        _PUBLISHER,
    ),
)
CATALOGUE: Final[Mapping[str, Entry]] = {entry.code: entry for entry in _ENTRIES}


def reason(code: str, *, policy: str | None = None, rule: str | None = None, **parameters: object) -> Reason:
    """Make a reason with its sentence.

    Args:
        code: of `CATALOGUE`.
        policy: slug of the policy that is the cause.
        rule: name of its rule.
        parameters: what the sentence names besides policy and rule; more than it names is no fault.

    Raises:
        KeyError: an unknown code, or a parameter that the sentence needs is missing.
    """
    entry = CATALOGUE[code]
    text = entry.sentence.format_map({**entry.defaults, "policy": policy, "rule": rule, **parameters})
    return Reason(policy, rule, code, text.rstrip())
