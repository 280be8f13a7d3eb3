"""What limits and split guards ask of an action, and how a spent one is told (pure)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from policies.compile import CompiledRule
from policies.facts import Action, LimitDemand, Money, Reason, Subject
from policies.language import Limit, Split
from policies.reasons import reason
from registry.catalogue import COUNT, VerbSpec

# More than any sum admits: money in another currency than the guard's cannot be shown to be less.
_NEVER: Final = 2**63 - 1


def demands_of(
    rules: Sequence[tuple[CompiledRule, int]], action: Action, spec: VerbSpec, subject: Subject
) -> tuple[LimitDemand, ...]:
    """Return what must be admitted, sorted by key.

    Args:
        rules: limits and split guards that match, each with the destinations (as bits) that it is about.
        action: what counts.
        spec: its verb's entry.
        subject: the asking agent.
    """
    found: list[LimitDemand] = []
    for rule, mask in rules:
        if rule.limit is not None:
            found += _of_limit(rule, rule.limit, mask, action, spec, subject)
        elif rule.split is not None:
            found += _of_split(rule, rule.split, mask, action, spec, subject)
    return tuple(found) if len(found) < 2 else tuple(sorted(found, key=lambda demand: demand.key))


def exhausted(demand: LimitDemand, admitted: int) -> Reason:
    """Say that a window does not admit what is asked.

    Args:
        demand: the limit and what was asked of it.
        admitted: what its window holds.
    """
    if not demand.split:
        return reason(
            "rate_limited",
            policy=demand.policy,
            rule=demand.rule,
            admitted=admitted,
            maximum=demand.maximum,
            seconds=demand.window_seconds,
            units=demand.units,
        )
    return reason(
        "split_guarded",
        policy=demand.policy,
        rule=demand.rule,
        admitted=told(demand, admitted),
        maximum=told(demand, demand.maximum),
        seconds=demand.window_seconds,
        units=told(demand, demand.units) if demand.units < _NEVER else "money in another currency is",
    )


def told(demand: LimitDemand, number: int) -> str:
    """Write a figure of a demand, for people: money, destinations or units."""
    if demand.currency:
        return money_or_units(number, demand.currency)
    if not demand.split:
        return str(number)
    return f"{number} destinations" if demand.values else f"{number} units"


def money_or_units(number: int, currency: str) -> str:
    """Write a figure of a window: billionths of a currency as money, units (no currency) with separators."""
    return f"{Decimal(number).scaleb(-9).normalize():f} {currency}" if currency else f"{number:,}"


def _of_limit(
    rule: CompiledRule, limit: Limit, mask: int, action: Action, spec: VerbSpec, subject: Subject
) -> list[LimitDemand]:
    return [
        LimitDemand(
            policy=rule.policy,
            rule=rule.name,
            by=limit.by or "policy",
            by_value=value,
            units=units,
            maximum=limit.units,
            window_seconds=limit.seconds,
        )
        for value, units in _shares(limit.by, mask, action, spec, subject)
    ]


def _of_split(
    rule: CompiledRule, split: Split, mask: int, action: Action, spec: VerbSpec, subject: Subject
) -> list[LimitDemand]:
    shares = _shares(split.by, mask, action, spec, subject)
    values: tuple[str, ...] = ()
    if split.counts == "destination":
        values = tuple(sorted({_digest(each) for each in _identities(mask, action)}))
        shares = [(value, len(values)) for value, _ in shares] if values else []
    elif split.counts == "amount":
        taken = _nano(action.amount, split.currency)
        shares = [(value, taken) for value, _ in shares] if taken else []
    return [
        LimitDemand(
            policy=rule.policy,
            rule=rule.name,
            by=split.by,
            by_value=value,
            units=units,
            maximum=split.maximum,
            window_seconds=split.seconds,
            split=True,
            currency=split.currency,
            values=values,
        )
        for value, units in shares
    ]


def _nano(amount: Money | None, currency: str) -> int:
    if amount is None:
        return 0
    return min(_NEVER, int(amount.value.scaleb(9))) if amount.currency == currency else _NEVER


def _digest(identity: str) -> str:
    # Only equality counts, so nobody's address has to be kept.
    return hashlib.sha256(identity.encode()).hexdigest()


def _identities(mask: int, action: Action) -> list[str]:
    return [destination.identity for index, destination in enumerate(action.destinations) if mask >> index & 1]


def _shares(by: str | None, mask: int, action: Action, spec: VerbSpec, subject: Subject) -> list[tuple[str, int]]:
    """Return by-values and the units that each takes.

    Where the catalogue counts destinations as units, only those that the rule is about take any.
    """
    counted = spec.units == COUNT and bool(action.destinations)
    units = mask.bit_count() if counted else action.units
    if by is None:
        return [("", units)]
    if by == "agent":
        return [(subject.agent, units)]
    if by == "team":
        return [(subject.team, units)]
    if by == "verb":
        return [(action.verb, units)]
    if not action.destinations:
        return [("", units)]
    times = Counter(_identities(mask, action))
    return [(identity, count if counted else units) for identity, count in times.items()]
