"""What a policy document means, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from policies.facts import Declared
from policies.hours import Hours
from policies.selectors import Selectors

KINDS: Final = ("allow", "review", "forbid", "limit", "hours")
MODES: Final = ("enforce", "shadow")
EFFECTS: Final = ("allow", "deny", "review", "throttle")
LIMIT_BY: Final = ("agent", "team", "verb", "destination")


@dataclass(frozen=True, slots=True)
class AppliesTo:
    """Which agents a policy is about; the parts are ANDed, an empty one admits everyone."""

    agents: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Limit:
    """How much in which window.

    Attributes:
        units: admitted in any window.
        seconds: length of the sliding window.
        by: of `LIMIT_BY`; None: one window for the whole policy.
    """

    units: int
    seconds: int
    by: str | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        kind: of `KINDS`.
        name: unique in its policy.
        batch: most units that an ``allow`` or ``review`` admits at once; None: any number.
        queue: whom a ``review`` asks.
        limit: only of a ``limit``.
        hours: only of an ``hours``.
    """

    kind: str
    name: str
    selectors: Selectors
    batch: int | None = None
    queue: str | None = None
    limit: Limit | None = None
    hours: Hours | None = None


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """One of a policy's own test cases.

    Attributes:
        declared: what an agent is supposed to ask.
        agent: slug; None: the first in ``applies_to``.
        at: aware; None: `policies.rehearsal.SOME_DAY`.
        expect: of `EFFECTS`.
    """

    declared: Declared
    agent: str | None
    at: datetime | None
    expect: str


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy.

    Attributes:
        applies_first: agents, teams, tags and environments of ``applies_to`` that were written
            first, by those names; the policy's tests use them.
        document: the policy as it was written, as canonical JSON text, so that nothing is lost
            when it is written back.
    """

    slug: str
    applies_to: AppliesTo
    applies_first: tuple[tuple[str, str], ...]
    mode: str
    rules: tuple[Rule, ...]
    tests: tuple[PolicyTest, ...]
    document: str

    @property
    def shadow(self) -> bool:
        """Whether it only records what it would have done."""
        return self.mode == "shadow"


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Policies by slug."""

    policies: Mapping[str, Policy]
