"""Why an action was not permitted: the rules that came nearest, and the selectors that missed (pure).

Not on the hot path: it reads the policies as they were written, rule by rule, instead of the
index that the engine uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from policies.conditions import ConditionFailed, Facts
from policies.facts import Action, Subject
from policies.language import AppliesTo, Policy, PolicySet, Rule
from policies.provenance import Claims
from policies.selectors import is_over
from registry.catalogue import VerbSpec

NEAREST: Final = 3
_PERMITTING: Final = frozenset({"allow", "review"})


@dataclass(frozen=True, slots=True)
class Miss:
    """One selector that did not match.

    Attributes:
        selector: ``scope``, ``verb``, ``destination``, ``data_class``, ``capability``, ``amount_over``,
            ``provenance``, ``when`` or ``batch``.
        text: what it wants and what there was, one sentence.
    """

    selector: str
    text: str


@dataclass(frozen=True, slots=True)
class Near:
    """A rule that could have permitted the action.

    Attributes:
        policy, rule, kind: which.
        shadow: whether its policy only records.
        misses: why it did not permit; empty where it did.
    """

    policy: str
    rule: str
    kind: str
    shadow: bool
    misses: tuple[Miss, ...]


def explain(
    policy_set: PolicySet,
    verbs: Mapping[str, VerbSpec],
    subject: Subject,
    action: Action,
    *,
    now: datetime | None = None,
    most: int = NEAREST,
) -> tuple[Near, ...]:
    """Return the allow and review rules that came nearest to permitting an action.

    Args:
        policy_set: the policies as written.
        verbs: the catalogue.
        subject: the asking agent.
        action: what counts.
        now: when it is asked, aware; None: conditions are left out.
        most: how many rules.

    Returns:
        Fewest misses first; a rule about this verb comes before one about another. Rules that
        permitted the action stand first, without a miss.
    """
    facts = None if now is None else Facts(action, subject, now)
    found = [
        Near(
            policy.slug,
            rule.name,
            rule.kind,
            policy.shadow,
            tuple(_misses(policy, rule, verbs, subject, action, facts)),
        )
        for policy in policy_set.policies.values()
        for rule in policy.rules
        if rule.kind in _PERMITTING
    ]
    return tuple(sorted(found, key=_distance)[:most])


def _distance(near: Near) -> tuple[bool, int, str, str]:
    # A rule about another verb is no neighbour, however much else of it fits.
    return any(miss.selector == "verb" for miss in near.misses), len(near.misses), near.policy, near.rule


def _misses(
    policy: Policy, rule: Rule, verbs: Mapping[str, VerbSpec], subject: Subject, action: Action, facts: Facts | None
) -> Iterator[Miss]:
    selectors, spec = rule.selectors, verbs.get(action.verb)
    yield from _out_of_scope(policy.applies_to, subject)
    if selectors.verbs and not any(pattern.matches(action.verb) for pattern in selectors.verbs):
        wanted = _either(pattern.text for pattern in selectors.verbs)
        yield Miss("verb", f"It is about {wanted}; the verb is {action.verb}.")
    if selectors.capabilities and action.capability not in selectors.capabilities:
        wanted = _either(sorted(selectors.capabilities))
        yield Miss("capability", f"It is about the capability {wanted}; this is {action.capability}.")
    if selectors.destinations:
        yield from _elsewhere(rule, action)
    if selectors.data_classes:
        # What the agent alone says of its data permits nothing.
        own = spec.data_classes if spec else frozenset()
        if selectors.data_classes.isdisjoint(own):
            wanted, there = _either(sorted(selectors.data_classes)), _either(sorted(own)) or "none"
            yield Miss("data_class", f"It is about {wanted} data; the catalogue's labels of the verb are: {there}.")
    if selectors.amount_over is not None and not is_over(selectors.amount_over, action.amount):
        there = str(action.amount) if action.amount else "no amount"
        yield Miss("amount_over", f"It is about amounts over {selectors.amount_over}; this is {there}.")
    yield from _untainted(rule, action)
    if facts is not None:
        yield from _condition(rule, facts)
    if rule.batch is not None and action.units > rule.batch:
        yield Miss("batch", f"It admits {rule.batch} at once; these are {action.units}.")


def _untainted(rule: Rule, action: Action) -> Iterator[Miss]:
    provenance = rule.selectors.provenance
    if provenance is None:
        return
    found, wanted = provenance.found(action.payload, Claims.of(action.provenance)), _either(sorted(provenance.sources))
    at = "".join(f" at {place.text}" for place in provenance.places if place.tokens)
    if provenance.sources.isdisjoint(found):
        there = _either(sorted(found)) or "nothing stands there"
        yield Miss("provenance", f"It is about values{at} from {wanted}; here: {there}.")
    elif not provenance.matches_silence:
        yield Miss("provenance", f"Only the agent says that values came from {wanted}, which permits nothing.")


def _condition(rule: Rule, facts: Facts) -> Iterator[Miss]:
    when = rule.selectors.when
    if when is None:
        return
    try:
        if not when.holds(facts):
            yield Miss("when", f"Its condition does not hold: {when.text}")
    except ConditionFailed as failure:
        yield Miss("when", f"Its condition has no answer ({failure.kind}): {when.text}")


def _out_of_scope(scope: AppliesTo, subject: Subject) -> Iterator[Miss]:
    parts = (
        ("agents", scope.agents, frozenset({subject.agent})),
        ("teams", scope.teams, frozenset({subject.team})),
        ("tags", scope.tags, subject.tags),
        ("environments", scope.environments, frozenset({subject.environment})),
    )
    for name, wanted, there in parts:
        if wanted and wanted.isdisjoint(there):
            has = _either(sorted(there)) or "none"
            yield Miss("scope", f"Its policy is for the {name} {_either(sorted(wanted))}; here: {has}.")


def _elsewhere(rule: Rule, action: Action) -> Iterator[Miss]:
    patterns = rule.selectors.destinations
    wanted = _either(pattern.text for pattern in patterns)
    if not action.destinations:
        yield Miss("destination", f"It is about {wanted}; the action has no destination.")
        return
    outside = [str(one) for one in action.destinations if not any(pattern.matches(one) for pattern in patterns)]
    if outside:
        more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
        yield Miss("destination", f"It is about {wanted}; not about {outside[0]}{more}.")


def _either(items: Iterable[str]) -> str:
    return " or ".join(items)
