"""The pure engine: facts in, verdict out, the same for the same facts.

Precedence: pause or kill > forbid > default deny > throttle > review > allow. The order of rules
and policies means nothing.

What a rule does with an action of several destinations:

* an ``allow`` or ``review`` permits the destinations that its patterns match; the action is
  permitted when every one of its destinations is permitted by some rule;
* all others, and the hold of a ``review``, bite when any destination matches.

So the answer is the strictest of those that the destinations would get one by one, and nobody gets
round a rule by adding an innocent recipient. Two more things tighten and never loosen:

* labels: all labels (declared ∪ catalogue) can make a rule bite, but only the catalogue's own
  can make an ``allow`` or ``review`` permit;
* units: beyond its ``batch`` a ``review`` permits nothing, and still holds what others permit.

Provenance is what the agent says, and nobody checks it. A rule that fits only by what it says permits
nothing. But a ``forbid`` or ``review`` over a source bites only where the source was claimed, or, for
``web``, where nothing was: an agent that claims another one gets round it. Such rules bind agents that
tell the truth; what must hold for the others stands in a rule without provenance.

A rule with destination patterns does not match an action without destination.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from policies.compile import CompiledRule, Snapshot
from policies.conditions import Facts
from policies.extraction import action_of, unknown_verb
from policies.facts import Action, Declared, LimitDemand, Reason, Subject, Verdict, WouldHave
from policies.reasons import reason
from policies.tally import Tally, decide

__all__ = [
    "Action",
    "Declared",
    "LimitDemand",
    "Reason",
    "Subject",
    "Verdict",
    "WouldHave",
    "evaluate",
    "judge",
]


def judge(snapshot: Snapshot, subject: Subject, declared: Declared, now: datetime) -> tuple[Action | None, Verdict]:
    """Answer what an agent asks: its standing, then the catalogue, then its rights, then the rules.

    Args:
        snapshot: the compiled policies in force.
        subject: the asking agent.
        declared: what it said.
        now: aware.

    Returns:
        The action that counts, None where none could be extracted, and the verdict. Nothing is
        raised: whatever goes wrong denies with ``evaluation_error``.
    """
    try:
        standing = _standing(subject)
        if standing:
            return None, Verdict("deny", standing)
        action = action_of(snapshot.verbs, subject, declared)
        if isinstance(action, tuple):
            return None, Verdict("deny", action)
    except Exception as error:  # noqa: BLE001 - fails closed, whatever it is
        return None, _broken(error)
    return action, evaluate(snapshot, subject, action, now)


def evaluate(snapshot: Snapshot, subject: Subject, action: Action, now: datetime) -> Verdict:
    """Answer for an action that was extracted already; standing and rights are checked here as well.

    Args:
        snapshot: the compiled policies in force.
        subject: the asking agent.
        action: what counts.
        now: aware.

    Returns:
        The verdict. Nothing is raised: whatever goes wrong denies with ``evaluation_error``.
    """
    try:
        refused = _standing(subject) or _rights(snapshot, subject, action)
        return Verdict("deny", refused) if refused else _by_rules(snapshot, subject, action, now)
    except Exception as error:  # noqa: BLE001 - fails closed, whatever it is
        return _broken(error)


def _broken(error: Exception) -> Verdict:
    # The kind of error only: its text may repeat a payload.
    return Verdict("deny", (reason("evaluation_error", where=f" ({type(error).__name__})"),))


def _standing(subject: Subject) -> tuple[Reason, ...]:
    if subject.kill is None and subject.state == "active" and subject.released:
        return ()
    reasons = []
    if subject.kill is not None:
        reasons.append(reason("kill_switch", kill=subject.kill))
    if subject.state == "retired":
        reasons.append(reason("agent_retired", agent=subject.agent))
    elif subject.state != "active":
        reasons.append(reason("agent_paused", agent=subject.agent))
    if not subject.released:
        reasons.append(reason("not_released", agent=subject.agent, environment=subject.environment))
    return tuple(reasons)


def _rights(snapshot: Snapshot, subject: Subject, action: Action) -> tuple[Reason, ...]:
    spec = snapshot.verbs.get(action.verb)
    if spec is None:
        return unknown_verb(action.verb)
    reasons = []
    if spec.capability not in subject.capabilities:
        reasons.append(reason("capability_missing", agent=subject.agent, verb=action.verb, capability=spec.capability))
    if not action.data_scopes <= subject.data_scopes:
        missing = ", ".join(sorted(action.data_scopes - subject.data_scopes))
        reasons.append(reason("scope_missing", agent=subject.agent, scopes=missing))
    return tuple(reasons)


def _by_rules(snapshot: Snapshot, subject: Subject, action: Action, now: datetime) -> Verdict:
    spec = snapshot.verbs[action.verb]
    tally = Tally(action, spec, now, Facts(action, subject, now))
    shadows: dict[str, list[tuple[CompiledRule, int]]] = {}
    for rule, mask in _met(snapshot, subject, action, tally.everything).items():
        if rule.shadow:
            shadows.setdefault(rule.policy, []).append((rule, mask))
        else:
            tally.add(rule, mask)
    verdict = decide(tally, subject)
    if not shadows:
        return verdict
    return Verdict(
        effect=verdict.effect,
        reasons=verdict.reasons,
        queues=verdict.queues,
        limits=verdict.limits,
        retry_at=verdict.retry_at,
        obligations=verdict.obligations,
        would_have=_would_have(tally, shadows, subject),
    )


def _would_have(
    tally: Tally, shadows: Mapping[str, list[tuple[CompiledRule, int]]], subject: Subject
) -> tuple[WouldHave, ...]:
    """Answer once more for each shadow policy, as if it were enforced beside the enforced ones."""
    found = []
    for policy in sorted(shadows):
        supposed = tally.copy()
        matched = [supposed.add(rule, mask) for rule, mask in shadows[policy]]
        if any(matched):
            try:
                verdict = decide(supposed, subject)
            except Exception as error:  # noqa: BLE001 - a shadow policy must not change the answer
                verdict = _broken(error)
            found.append(WouldHave(policy, verdict.effect, verdict.reasons))
    return tuple(found)


def _met(snapshot: Snapshot, subject: Subject, action: Action, everything: int) -> dict[CompiledRule, int]:
    """Return the rules about this agent and verb, each with the destinations that it is about.

    Destinations are bits: bit i is `action.destinations[i]`.
    """
    met: dict[CompiledRule, int] = {}
    for bucket in snapshot.buckets(subject, action.verb):
        for rule in bucket.general:
            if rule.scope is None or rule.admits(subject):
                met[rule] = everything
        if bucket.places:
            for index, destination in enumerate(action.destinations):
                for rule in bucket.about(destination):
                    if rule.scope is None or rule.admits(subject):
                        met[rule] = met.get(rule, 0) | 1 << index
    return met
