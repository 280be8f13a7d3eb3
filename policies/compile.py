"""From a policy set to a snapshot: immutable, and indexed so that only rules that can match are met.

A rule is found by whom it is about, then by the verb, then by the destination:

* its policy's most telling scope (agents, else teams, tags, environments, else everyone),
* each verb of the catalogue that its patterns and capabilities admit (an unknown verb is denied
  before any rule is looked for, so the catalogue is the whole world),
* head and trail of each of its destination patterns.

Ten thousand rules about other agents, verbs or destinations therefore cost nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from audit.refusals import Problem
from policies.conditions import Condition
from policies.destinations import Destination
from policies.facts import Money, Reason, Subject
from policies.freezes import Freeze
from policies.hours import Hours
from policies.language import AppliesTo, DocumentInvalid, Limit, Policy, PolicySet, Rule, Split, parse
from policies.obligations import Obligation
from policies.provenance import Provenance
from policies.reasons import reason
from policies.routes import AUTO, named_queue, words_for
from policies.selectors import VerbPattern
from registry.catalogue import VerbSpec
from registry.documents import SLUG, join

EVERYONE: Final = ("everyone", "")
# What reasons name where the catalogue holds an action.
CATALOGUE: Final = "verb-catalogue"


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """One rule, ready to be asked. Two of them are equal only when they are the same one.

    Attributes:
        scope: what of the policy's scope finding the rule has not settled yet; None: nothing.
        window: when it is open, of an ``hours`` or a ``freeze``.
        because: the reason that a match gives, where it needs no parameters.
    """

    policy: str
    name: str
    kind: str
    shadow: bool
    scope: AppliesTo | None
    data_classes: frozenset[str]
    amount_over: Money | None
    batch: int | None
    queue: str | None
    limit: Limit | None
    split: Split | None
    window: Hours | Freeze | None
    provenance: Provenance | None
    when: Condition | None
    obligations: tuple[Obligation, ...]
    because: Reason | None

    def admits(self, subject: Subject) -> bool:
        """Say whether the policy is about this agent."""
        scope = self.scope
        return scope is None or (
            (not scope.agents or subject.agent in scope.agents)
            and (not scope.teams or subject.team in scope.teams)
            and (not scope.tags or not scope.tags.isdisjoint(subject.tags))
            and (not scope.environments or subject.environment in scope.environments)
        )


@dataclass(frozen=True, slots=True)
class Bucket:
    """The rules of one scope for one verb.

    Attributes:
        general: those without destination patterns.
        places: the others, by head and then trail of each pattern.
    """

    general: tuple[CompiledRule, ...]
    places: Mapping[str, Mapping[str, tuple[CompiledRule, ...]]]

    def about(self, destination: Destination) -> list[CompiledRule]:
        """Return the rules with a pattern that matches a destination; one may be there twice."""
        found: list[CompiledRule] = []
        for head in destination.heads:
            trails = self.places.get(head)
            if trails is not None:
                for trail in destination.trails:
                    found += trails.get(trail, ())
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A compiled policy set; nothing changes it after `compile_set` returns it.

    Attributes:
        verbs: the catalogue that it was compiled against.
        index: (scope, value) → verb → rules.
        rules: how many rules it holds.
        timed: whether a verdict can depend on when it is asked for: there are hours, freezes or conditions.
    """

    verbs: Mapping[str, VerbSpec]
    index: Mapping[tuple[str, str], Mapping[str, Bucket]]
    rules: int
    timed: bool

    def buckets(self, subject: Subject, verb: str) -> Iterator[Bucket]:
        """Yield the buckets in which rules about this agent and verb are."""
        index = self.index
        keys = [EVERYONE, ("agents", subject.agent), ("teams", subject.team)]
        keys += [("tags", tag) for tag in subject.tags]
        keys.append(("environments", subject.environment))
        for key in keys:
            verbs = index.get(key)
            if verbs is not None and (bucket := verbs.get(verb)) is not None:
                yield bucket


def compile_set(
    policy_set: PolicySet,
    verbs: Mapping[str, VerbSpec],
    queues: Collection[str] | None,
    *,
    at: str = "",
) -> Snapshot:
    """Compile a policy set.

    Args:
        policy_set: from `policies.language.parse`.
        verbs: the verb catalogue.
        queues: slugs of the queues that exist; None: not checked.
        at: pointer to the policies in the whole document, for defects.

    Raises:
        DocumentInvalid: a review names an unknown queue; with a pointer to each.
    """
    if queues is not None:
        _require_queues(policy_set, queues, at)
    index: dict[tuple[str, str], dict[str, _Filling]] = {}
    catalogue = _Catalogue(verbs)
    count, timed = 0, False
    for policy in (*policy_set.policies.values(), *_of_catalogue(verbs)):
        keys, rest = _scope(policy.applies_to)
        shelves = [index.setdefault(key, {}) for key in keys]
        for rule in policy.rules:
            count += 1
            compiled = _compiled(policy, rule, rest)
            timed = timed or compiled.window is not None or compiled.when is not None
            for verb in catalogue.selected(rule):
                for shelf in shelves:
                    shelf.setdefault(verb, _Filling()).put(rule, compiled)
    return Snapshot(
        MappingProxyType(dict(verbs)),
        MappingProxyType({key: _frozen(shelf) for key, shelf in index.items()}),
        count,
        timed,
    )


def _of_catalogue(verbs: Mapping[str, VerbSpec]) -> Iterator[Policy]:
    """Yield what the catalogue itself has people look at, as a policy over everyone: no policy can allow it away."""
    for spec in verbs.values():
        if spec.review is not None:
            rule = {"name": _slug_of(spec.name), "verb": spec.name, "queue": spec.review}
            yield from parse({CATALOGUE: {"rules": [{"review": rule}]}}).policies.values()


def _slug_of(verb: str) -> str:
    """Name a verb's rule; a verb may be longer than the name of a rule."""
    name = verb.replace(".", "-")
    return name if SLUG.fullmatch(name) else f"{name[:51]}-{hashlib.sha256(verb.encode()).hexdigest()[:12]}"


def _require_queues(policy_set: PolicySet, queues: Collection[str], at: str) -> None:
    problems = [
        Problem(
            join(at, policy.slug, "rules", index, "review", "queue"),
            "unknown_queue",
            f"There is no queue “{rule.queue}”.",
        )
        for policy in policy_set.policies.values()
        for index, rule in enumerate(policy.rules)
        if rule.queue is not None and (named_queue(rule.queue) or AUTO) not in {*queues, AUTO}
    ]
    if problems:
        raise DocumentInvalid(problems)


def _scope(scope: AppliesTo) -> tuple[list[tuple[str, str]], AppliesTo | None]:
    """Return the keys under which a policy is found, and what remains to be asked."""
    parts = {
        "agents": scope.agents,
        "teams": scope.teams,
        "tags": scope.tags,
        "environments": scope.environments,
    }
    stated = [name for name, values in parts.items() if values]
    if not stated:
        return [EVERYONE], None
    return [(stated[0], value) for value in sorted(parts[stated[0]])], scope if len(stated) > 1 else None


def _compiled(policy: Policy, rule: Rule, scope: AppliesTo | None) -> CompiledRule:
    because = None
    if rule.kind == "allow":
        because = reason("allowed", policy=policy.slug, rule=rule.name)
    elif rule.kind == "review":
        because = reason("review_required", policy=policy.slug, rule=rule.name, queue=words_for(rule.queue or ""))
    elif rule.kind == "forbid":
        because = reason("forbidden", policy=policy.slug, rule=rule.name)
    return CompiledRule(
        policy=policy.slug,
        name=rule.name,
        kind=rule.kind,
        shadow=policy.shadow,
        scope=scope,
        data_classes=rule.selectors.data_classes,
        amount_over=rule.selectors.amount_over,
        batch=rule.batch,
        queue=rule.queue,
        limit=rule.limit,
        split=rule.split,
        window=rule.hours or rule.freeze,
        provenance=rule.selectors.provenance,
        when=rule.selectors.when,
        obligations=rule.obligations,
        because=because,
    )


@dataclass(slots=True)
class _Filling:
    """A bucket while it is filled."""

    general: list[CompiledRule] = field(default_factory=list)
    places: dict[str, dict[str, list[CompiledRule]]] = field(default_factory=dict)

    def put(self, rule: Rule, compiled: CompiledRule) -> None:
        if not rule.selectors.destinations:
            self.general.append(compiled)
            return
        # Two ways to write one pattern must not put the rule there twice.
        for head, trail in {(pattern.head, pattern.trail) for pattern in rule.selectors.destinations}:
            self.places.setdefault(head, {}).setdefault(trail, []).append(compiled)


def _frozen(shelf: Mapping[str, _Filling]) -> Mapping[str, Bucket]:
    return MappingProxyType(
        {
            verb: Bucket(
                tuple(filling.general),
                MappingProxyType(
                    {
                        head: MappingProxyType({trail: tuple(rules) for trail, rules in trails.items()})
                        for head, trails in filling.places.items()
                    }
                ),
            )
            for verb, filling in shelf.items()
        }
    )


class _Catalogue:
    """Finds the verbs that a rule selects; each pattern is tried on the catalogue once."""

    def __init__(self, verbs: Mapping[str, VerbSpec]) -> None:
        self._verbs = verbs
        self._by_pattern: dict[VerbPattern, tuple[str, ...]] = {}

    def selected(self, rule: Rule) -> list[str]:
        patterns, capabilities = rule.selectors.verbs, rule.selectors.capabilities
        names = self._verbs if not patterns else {name for one in patterns for name in self._of(one)}
        return [name for name in names if not capabilities or self._verbs[name].capability in capabilities]

    def _of(self, pattern: VerbPattern) -> tuple[str, ...]:
        if pattern.exact:
            return (pattern.text,) if pattern.text in self._verbs else ()
        if pattern not in self._by_pattern:
            self._by_pattern[pattern] = tuple(name for name in self._verbs if pattern.matches(name))
        return self._by_pattern[pattern]
