"""What a decision is made from, and what it says: frozen values, read by the pure engine.

Whoever asks the engine has read the facts in its own transaction; nothing here is looked up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from policies.destinations import Destination
from registry.amounts import Money

__all__ = [
    "Action",
    "Declared",
    "LimitDemand",
    "Money",
    "Reason",
    "Subject",
    "Verdict",
    "WouldHave",
]

MAX_KEY_VALUE: Final = 200


@dataclass(frozen=True, slots=True)
class Subject:
    """The asking agent.

    Attributes:
        agent: slug.
        team: slug of the answering team.
        environment: where the asking key belongs.
        capabilities: of `registry.catalogue.CAPABILITIES`.
        data_scopes: data that the agent may touch.
        state: ``active``, ``paused`` or ``retired``.
        kill: text naming the kill switch in force, or None.
        released: whether a live release exists in the environment.
    """

    agent: str
    team: str
    tags: frozenset[str]
    environment: str
    capabilities: frozenset[str]
    data_scopes: frozenset[str]
    state: str
    kill: str | None
    released: bool


@dataclass(frozen=True, slots=True)
class Declared:
    """What the agent said, already strictly parsed. Nothing in it may loosen anything.

    Attributes:
        destination: as written, not yet normalised.
        units: how many things it touches; None: one, or what the catalogue extracts.
        data_scopes: None: all the agent's scopes.
        provenance: JSON pointer → where that value came from.
    """

    verb: str
    capability: str | None
    destination: str | None
    units: int | None
    amount: Money | None
    payload: object
    data_classes: frozenset[str]
    data_scopes: frozenset[str] | None
    provenance: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Action:
    """What counts, after extraction.

    Attributes:
        destinations: normalised, in the payload's order, repetitions kept.
        data_classes: declared ∪ catalogue.
        provenance: JSON pointer into the payload → source, as declared: untrusted.
    """

    verb: str
    capability: str
    destinations: tuple[Destination, ...]
    units: int
    amount: Money | None
    data_classes: frozenset[str]
    data_scopes: frozenset[str]
    payload: object
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a stable code (`policies.reasons`), one sentence, and the rule that is the cause if one is."""

    policy: str | None
    rule: str | None
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class LimitDemand:
    """What a limit or a split guard must admit before the action may happen.

    Attributes:
        by: ``agent``, ``team``, ``verb``, ``destination``, or ``policy`` where the rule says nothing.
        by_value: slug, verb or normalised destination that has its own window.
        units: what this action takes: units, distinct values, or billionths of a currency.
        maximum: of the same, in any window.
        window_seconds: length of the sliding window.
        split: whether a split guard asks.
        currency: ISO 4217, where money is counted.
        values: digests of the values, where distinct ones are counted.
    """

    policy: str
    rule: str
    by: str
    by_value: str
    units: int
    maximum: int
    window_seconds: int
    split: bool = False
    currency: str = ""
    values: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The limit's identity (policy, rule, by-value); at most 330 characters, publishing keeps it."""
        value = self.by_value
        if len(value) > MAX_KEY_VALUE:
            value = f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
        if self.currency:
            # Billionths of one currency must never be added to units, nor to those of another.
            return f"{self.policy}/{self.rule}//{self.currency}/{value}"
        # Neither slug can hold a slash, so the three parts cannot run into each other.
        return f"{self.policy}/{self.rule}/{value}"


@dataclass(frozen=True, slots=True)
class WouldHave:
    """The answer that would have been given if one shadow policy had been enforced as well."""

    policy: str
    effect: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of the policies alone; limits and budgets are taken by others afterwards.

    Attributes:
        effect: ``allow``, ``deny``, ``review`` or ``throttle``.
        reasons: sorted by policy and rule, never empty.
        queues: slugs of the queues that must all approve, sorted; only for ``review``.
        limits: what must be admitted, sorted by key; for ``allow``, ``review``, and a ``throttle`` by hours.
        retry_at: aware UTC, when time lifts a ``throttle``.
        obligations: what the asker must do besides.
        would_have: one entry for each shadow policy that any of its rules matched.
    """

    effect: str
    reasons: tuple[Reason, ...]
    queues: tuple[str, ...] = ()
    limits: tuple[LimitDemand, ...] = ()
    retry_at: datetime | None = None
    obligations: tuple[Mapping[str, object], ...] = ()
    would_have: tuple[WouldHave, ...] = ()
