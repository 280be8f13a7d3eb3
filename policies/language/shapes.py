"""What a policy document means, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from policies.facts import Declared
from policies.freezes import Freeze
from policies.hours import Hours
from policies.obligations import Obligation
from policies.selectors import Selectors

KINDS: Final = ("allow", "review", "forbid", "limit", "split", "hours", "freeze")
MODES: Final = ("enforce", "shadow")
EFFECTS: Final = ("allow", "deny", "review", "throttle")
LIMIT_BY: Final = ("agent", "team", "verb", "destination")
SUMS: Final = ("units", "amount")
DISTINCT: Final = ("destination",)


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
class Split:
    """How much may be reached in small steps.

    Attributes:
        counts: ``destination`` for distinct destinations, or of `SUMS`.
        maximum: in any window; billionths of the currency where money is summed.
        seconds: length of the sliding window.
        by: of `LIMIT_BY`; each value has its own window.
        currency: ISO 4217, where money is summed.
    """

    counts: str
    maximum: int
    seconds: int
    by: str
    currency: str = ""


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
        split: only of a ``split``.
        freeze: only of a ``freeze``.
        obligations: what an ``allow`` or ``review`` asks of whoever acts on it.
    """

    kind: str
    name: str
    selectors: Selectors
    batch: int | None = None
    queue: str | None = None
    limit: Limit | None = None
    hours: Hours | None = None
    split: Split | None = None
    freeze: Freeze | None = None
    obligations: tuple[Obligation, ...] = ()


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
