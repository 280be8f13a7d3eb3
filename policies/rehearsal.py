"""A policy set's own test cases, run against its compiled form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from policies.compile import Snapshot
from policies.engine import judge
from policies.facts import Declared, Reason, Subject
from policies.language import AppliesTo, Policy, PolicySet, PolicyTest
from registry.catalogue import CAPABILITIES

# A Thursday: tests without a time of their own must come out alike whenever they run.
SOME_DAY: Final = datetime(2026, 1, 15, 12, tzinfo=UTC)
MADE_UP: Final = "made-up-agent"


@dataclass(frozen=True, slots=True)
class Failure:
    """A test that came out otherwise.

    Attributes:
        policy: slug of the policy whose test it is.
        index: its place among the policy's tests, from 0.
        expected: effect that the test names.
        got: effect that came out.
        reasons: why it came out so.
    """

    policy: str
    index: int
    expected: str
    got: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test came out; the fields are those of a `Failure`.

    Attributes:
        verb: what it asks.
    """

    policy: str
    index: int
    verb: str
    expected: str
    got: str
    reasons: tuple[Reason, ...]

    @property
    def passed(self) -> bool:
        """Whether it came out as expected."""
        return self.got == self.expected


def rehearse(
    policy_set: PolicySet, snapshot: Snapshot, subjects: Mapping[str, Subject]
) -> tuple[tuple[Failure, ...], int]:
    """Run every test of every policy.

    A test asks as its agent: the one it names, else the first that ``applies_to`` names, else the
    first known one that the policy is about, else one that is made up to fit. It asks as if the
    agent were active and released: pausing an agent must not make policies unpublishable. Limits
    are taken as unused. A test of a shadow policy sees the answer that the policy would have given.

    Args:
        policy_set: the policies, with their tests.
        snapshot: the same policies compiled.
        subjects: known agents by slug.

    Returns:
        The failures, and how many tests were run.
    """
    found = outcomes(policy_set, snapshot, subjects)
    failures = (
        Failure(each.policy, each.index, each.expected, each.got, each.reasons) for each in found if not each.passed
    )
    return tuple(failures), len(found)


def outcomes(policy_set: PolicySet, snapshot: Snapshot, subjects: Mapping[str, Subject]) -> tuple[Outcome, ...]:
    """Run every test as `rehearse` does, and return how each came out."""
    found = []
    for policy in policy_set.policies.values():
        for index, test in enumerate(policy.tests):
            got, reasons = _outcome(policy, test, snapshot, subjects)
            found.append(Outcome(policy.slug, index, test.declared.verb, test.expect, got, reasons))
    return tuple(found)


def _outcome(
    policy: Policy, test: PolicyTest, snapshot: Snapshot, subjects: Mapping[str, Subject]
) -> tuple[str, tuple[Reason, ...]]:
    subject = _subject(policy, test, subjects)
    _, verdict = judge(snapshot, subject, test.declared, test.at or SOME_DAY)
    if policy.shadow:
        for supposed in verdict.would_have:
            if supposed.policy == policy.slug:
                return supposed.effect, supposed.reasons
    return verdict.effect, verdict.reasons


def _subject(policy: Policy, test: PolicyTest, subjects: Mapping[str, Subject]) -> Subject:
    first = dict(policy.applies_first)
    slug = test.agent or first.get("agents")
    known = subjects.get(slug) if slug else _first_fitting(policy.applies_to, subjects)
    subject = known or _made_up(slug or MADE_UP, first, test.declared)
    environment = first.get("environments", subject.environment)
    return replace(subject, environment=environment, state="active", kill=None, released=True)


def _first_fitting(scope: AppliesTo, subjects: Mapping[str, Subject]) -> Subject | None:
    for _, subject in sorted(subjects.items()):
        if (not scope.teams or subject.team in scope.teams) and (
            not scope.tags or not scope.tags.isdisjoint(subject.tags)
        ):
            return subject
    return None


def _made_up(slug: str, first: Mapping[str, str], declared: Declared) -> Subject:
    return Subject(
        agent=slug,
        team=first.get("teams", ""),
        tags=frozenset({first["tags"]} if "tags" in first else ()),
        environment="production",
        capabilities=frozenset(CAPABILITIES),
        data_scopes=declared.data_scopes or frozenset(),
        state="active",
        kill=None,
        released=True,
    )
