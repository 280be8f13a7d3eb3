"""What a policy document says while it is written: sentences, tests with their results, what changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from approvals.models import Queue
from audit.refusals import Problem
from controlplane.apply import dumping, loading
from controlplane.apply.loading import Loaded
from controlplane.console.policies.offers import Offers
from controlplane.console.policies.sentence_diffs import PolicyChange, changes, scope_of, test_words
from controlplane.console.policies.sentences import effect_of, said
from controlplane.console.policies.sheet_table import KIND_WORDS, POLICY, RULES, TESTS
from policies import snapshots
from policies.compile import Snapshot, compile_set
from policies.dry_runs import require_conditions
from policies.facts import Subject
from policies.language import PolicySet, parse
from policies.operations.revisions import known_subjects
from policies.rehearsal import Outcome, outcomes
from registry.documents import DocumentInvalid, join
from registry.models import Agent, Team, User
from registry.preferences import zones

_MOST_CHOICES = 500


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule; `text` says that it cannot be read where it cannot."""

    place: str
    name: str
    effect: str
    text: str


@dataclass(frozen=True, slots=True)
class TestLine:
    """One test.

    Attributes:
        text: what it asks and expects.
        passed: None where the tests were not run.
        got: what came out, with its reasons.
    """

    place: str
    text: str
    passed: bool | None
    got: str


@dataclass(frozen=True, slots=True)
class PolicyPart:
    """One policy.

    Attributes:
        readable: whether it is one at all.
    """

    slug: str
    place: str
    new_rule: str
    new_test: str
    mode: str
    scope: str
    rules: tuple[RuleLine, ...]
    tests: tuple[TestLine, ...]
    shadow: bool


@dataclass(frozen=True, slots=True)
class Outline:
    """The whole document.

    Attributes:
        ran: whether the tests were run: they are not while anything is wrong.
        changes: from what is in force; None while anything is wrong.
    """

    policies: tuple[PolicyPart, ...]
    ran: bool
    passed: int
    failed: int
    changes: tuple[PolicyChange, ...] | None
    kinds: tuple[tuple[str, str], ...] = tuple(KIND_WORDS.items())


class Judge:
    """Reads whole documents against what exists; does each thing once in a request, and only when needed.

    What it was given is kept, and must not be changed in place.
    """

    def __init__(self, base: Mapping[str, Any]) -> None:
        """Take what is in force, by slug."""
        self.base = parse(base)
        self._loaded: dict[str, Loaded] = {}
        self._dumped: list[tuple[Mapping[str, Any], str]] = []
        self._read: list[tuple[Mapping[str, Any], tuple[PolicySet, Snapshot] | DocumentInvalid]] = []

    @cached_property
    def verbs(self) -> Mapping[str, Any]:
        """The verb catalogue."""
        return snapshots.verbs_in_force()

    @cached_property
    def queues(self) -> tuple[str, ...]:
        """Slugs of the queues that rules may name."""
        return tuple(Queue.objects.order_by("slug").values_list("slug", flat=True))

    @cached_property
    def subjects(self) -> Mapping[str, Subject]:
        """Agents, as tests take them."""
        return known_subjects()

    def read(self, value: Mapping[str, Any]) -> tuple[PolicySet, Snapshot]:
        """Read a document as publishing does.

        Raises:
            DocumentInvalid: with a pointer to each defect.
        """
        found = next((found for known, found in self._read if known is value), None)
        if found is None:
            found = self._judged(value)
            self._read.append((value, found))
        if isinstance(found, DocumentInvalid):
            raise found
        return found

    def _judged(self, value: Mapping[str, Any]) -> tuple[PolicySet, Snapshot] | DocumentInvalid:
        try:
            policies = parse(value)
            require_conditions(policies)
            return policies, compile_set(policies, self.verbs, frozenset(self.queues))
        except DocumentInvalid as refusal:
            return refusal

    def load(self, text: str) -> Loaded:
        """Read YAML.

        Raises:
            DocumentRefused: with every defect and its line.
        """
        if text not in self._loaded:
            self._loaded[text] = loading.load(text)
        return self._loaded[text]

    def dump(self, value: Mapping[str, Any]) -> str:
        """Write YAML; nothing for no policy."""
        found = next((text for known, text in self._dumped if known is value), None)
        if found is None:
            found = dumping.dump(value) if value else ""
            self._dumped.append((value, found))
        return found

    def problems(self, value: Mapping[str, Any]) -> tuple[Problem, ...]:
        """Return every defect."""
        try:
            self.read(value)
        except DocumentInvalid as refusal:
            return tuple(refusal.errors)
        return ()


def outline(value: Mapping[str, Any], judge: Judge) -> Outline:
    """Say what a document says, as far as it can be read.

    Args:
        value: policies by slug, of whatever shape.
        judge: runs the tests.
    """
    try:
        policies, snapshot = judge.read(value)
    except DocumentInvalid:
        parts = tuple(_part(slug, raw, {}) for slug, raw in value.items())
        return Outline(parts, ran=False, passed=0, failed=0, changes=None)
    found = outcomes(policies, snapshot, judge.subjects)
    by_place = {(each.policy, each.index): each for each in found}
    passed = sum(each.passed for each in found)
    parts = tuple(_part(slug, raw, by_place) for slug, raw in value.items())
    return Outline(parts, ran=True, passed=passed, failed=len(found) - passed, changes=changes(judge.base, policies))


def _part(slug: str, raw: object, found: Mapping[tuple[str, int], Outcome]) -> PolicyPart:
    body: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    mode, scope, shadow = "", "agents that cannot be told yet", False
    try:
        policy = parse({slug: {**body, RULES: [], TESTS: []}}).policies[slug]
        mode, scope, shadow = policy.mode, scope_of(policy), policy.shadow
    except DocumentInvalid:
        pass
    rules, tests = (items if isinstance(items := body.get(part), list) else [] for part in (RULES, TESTS))
    return PolicyPart(
        slug=slug,
        place=join("", slug, POLICY, ""),
        new_rule=join("", slug, RULES, ""),
        new_test=join("", slug, TESTS, ""),
        mode=mode,
        scope=scope,
        rules=tuple(_rule(join("", slug, RULES, index), rule) for index, rule in enumerate(rules)),
        tests=tuple(
            _test(join("", slug, TESTS, index), case, found.get((slug, index))) for index, case in enumerate(tests)
        ),
        shadow=shadow,
    )


def _rule(place: str, rule: object) -> RuleLine:
    try:
        parse({"one": {RULES: [rule]}})
    except DocumentInvalid as refusal:
        kind = next(iter(rule), "") if isinstance(rule, Mapping) else ""
        body = rule.get(kind) if isinstance(rule, Mapping) else None
        name = str(body.get("name", "")) if isinstance(body, Mapping) else ""
        return RuleLine(place, name, "", f"Cannot be read yet: {refusal.errors[0].detail}")
    assert isinstance(rule, Mapping)
    kind, body = next(iter(rule.items()))
    return RuleLine(place, body["name"], effect_of(kind), said(kind, body))


def _test(place: str, case: object, outcome: Outcome | None) -> TestLine:
    try:
        parse({"one": {RULES: [], TESTS: [case]}})
    except DocumentInvalid as refusal:
        return TestLine(place, f"Cannot be read yet: {refusal.errors[0].detail}", None, "")
    assert isinstance(case, Mapping)
    if outcome is None:
        return TestLine(place, test_words(case), None, "")
    got = "" if outcome.passed else f"{outcome.got}: {' '.join(each.text for each in outcome.reasons)}"
    return TestLine(place, test_words(case), outcome.passed, got)


def offers_for(user: User, judge: Judge) -> Offers:
    """Return what exists for whoever writes: agents and teams are those that they may see."""
    agents = Agent.objects.visible_to(user).order_by("slug").values_list("slug", "tags")[:_MOST_CHOICES]
    rows = list(agents)
    teams = Team.objects.visible_to(user).order_by("slug").values_list("slug", flat=True)[:_MOST_CHOICES]
    classes = {label for spec in judge.verbs.values() for label in spec.data_classes}
    return Offers(
        verbs=tuple(sorted(judge.verbs))[:_MOST_CHOICES],
        queues=judge.queues[:_MOST_CHOICES],
        agents=tuple(slug for slug, _ in rows),
        teams=tuple(teams),
        tags=tuple(sorted({tag for _, tags in rows for tag in tags})),
        data_classes=tuple(sorted(classes)),
        zones=zones(),
        zone=user.zone,
    )
