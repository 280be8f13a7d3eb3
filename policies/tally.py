"""What the rules that an action met amount to, and the verdict that follows."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from policies.compile import CompiledRule
from policies.facts import Action, LimitDemand, Reason, Subject, Verdict
from policies.hours import Hours, next_common_opening
from policies.reasons import reason
from policies.selectors import is_over
from registry.catalogue import COUNT, VerbSpec


class Tally:
    """Collects rules that match an action, by what they do.

    Sets of destinations are bits: bit i is ``action.destinations[i]``; an action without any
    destination counts as one that only rules without destination patterns can match.
    """

    __slots__ = (
        "action", "allows", "closed", "covered", "errors", "everything", "forbids", "limits", "now",
        "oversize", "reviews", "spec", "windows",
    )  # fmt: skip

    def __init__(self, action: Action, spec: VerbSpec, now: datetime) -> None:
        self.action = action
        self.spec = spec
        self.now = now
        self.everything = (1 << (len(action.destinations) or 1)) - 1
        self.covered = 0
        self.errors: list[Reason] = []
        self.forbids: list[CompiledRule] = []
        self.allows: list[CompiledRule] = []
        self.reviews: list[CompiledRule] = []
        self.oversize: list[tuple[CompiledRule, int]] = []
        self.limits: list[tuple[CompiledRule, int]] = []
        self.windows: list[Hours] = []
        self.closed: list[tuple[CompiledRule, Hours]] = []

    def copy(self) -> Tally:
        """Return a tally that can be added to without changing this one."""
        other = Tally(self.action, self.spec, self.now)
        other.covered = self.covered
        for name in ("errors", "forbids", "allows", "reviews", "oversize", "limits", "windows", "closed"):
            setattr(other, name, list(getattr(self, name)))
        return other

    def add(self, rule: CompiledRule, mask: int) -> bool:
        """Ask a rule about what finding it has not settled, and note what it does.

        Args:
            rule: a rule about this agent and verb.
            mask: the destinations that its patterns match, at least one.

        Returns:
            Whether it matches. A rule that fails matches, as an error.
        """
        try:
            return self._add(rule, mask)
        except Exception as error:  # noqa: BLE001 - a rule that fails must not be skipped
            where = f" (rule {rule.name} of {rule.policy}: {type(error).__name__})"
            self.errors.append(reason("evaluation_error", policy=rule.policy, rule=rule.name, where=where))
            return True

    def _add(self, rule: CompiledRule, mask: int) -> bool:
        labels = rule.data_classes
        if rule.amount_over is not None and not is_over(rule.amount_over, self.action.amount):
            return False
        if labels and labels.isdisjoint(self.action.data_classes) and labels.isdisjoint(self.spec.data_classes):
            return False
        kind = rule.kind
        if kind == "allow":
            return self._permit(rule, mask)
        if kind == "review":
            self.reviews.append(rule)
            self._permit(rule, mask)
        elif kind == "forbid":
            self.forbids.append(rule)
        elif kind == "limit":
            self.limits.append((rule, mask))
        elif rule.hours is not None:
            self.windows.append(rule.hours)
            if not rule.hours.is_open(self.now):
                self.closed.append((rule, rule.hours))
        else:
            raise ValueError(kind)
        return True

    def _permit(self, rule: CompiledRule, mask: int) -> bool:
        if rule.data_classes and rule.data_classes.isdisjoint(self.spec.data_classes):
            # Only the agent says so, and what it says may hold an action but not permit it.
            return False
        if rule.batch is not None and self.action.units > rule.batch:
            self.oversize.append((rule, mask))
            return True
        self.covered |= mask
        if rule.kind == "allow":
            self.allows.append(rule)
        return True


def decide(tally: Tally, subject: Subject) -> Verdict:
    """Return the verdict that a tally amounts to.

    Args:
        tally: every rule that matches.
        subject: the asking agent, for limits by agent and team.
    """
    if tally.errors or tally.forbids:
        return Verdict("deny", _sorted([*tally.errors, *_because(tally.forbids)]))
    if tally.covered != tally.everything:
        return Verdict("deny", _uncovered(tally))
    demands = _demands(tally, subject) if tally.limits else ()
    excessive = [demand for demand in demands if demand.units > demand.maximum]
    if excessive:
        return Verdict("deny", _sorted([_never(demand) for demand in excessive]))
    if tally.closed:
        return _throttled(tally, demands)
    if tally.reviews:
        queues = tuple(sorted({rule.queue for rule in tally.reviews if rule.queue is not None}))
        return Verdict("review", _sorted(_because(tally.reviews)), queues, demands)
    return Verdict("allow", _sorted(_because(tally.allows)), (), demands)


def _because(rules: list[CompiledRule]) -> list[Reason]:
    return [rule.because for rule in rules if rule.because is not None]


def _sorted(reasons: list[Reason]) -> tuple[Reason, ...]:
    if len(reasons) == 1:
        return (reasons[0],)
    return tuple(sorted(reasons, key=lambda one: (one.policy or "", one.rule or "", one.code)))


def _uncovered(tally: Tally) -> tuple[Reason, ...]:
    """Say which rule would have permitted fewer units, or that there is none for some destination."""
    action = tally.action
    open_to_fewer = 0
    reasons = []
    for rule, mask in tally.oversize:
        if mask & ~tally.covered:
            open_to_fewer |= mask
            reasons.append(
                reason(
                    "batch_too_large",
                    policy=rule.policy,
                    rule=rule.name,
                    units=action.units,
                    maximum=rule.batch,
                )
            )
    missing = tally.everything & ~tally.covered & ~open_to_fewer
    if missing:
        place = ""
        if action.destinations:
            first = (missing & -missing).bit_length() - 1
            more = missing.bit_count() - 1
            place = f" to {action.destinations[first]}" + (f" and {more} more" if more else "")
        reasons.append(reason("no_rule", verb=action.verb, place=place))
    return _sorted(reasons)


def _throttled(tally: Tally, demands: tuple[LimitDemand, ...]) -> Verdict:
    """Say when each closed rule opens, and when all are open at once; never is a denial.

    What is open now counts as well: it may have closed by the time at which the others open. The
    limits' demands stay in the verdict, so that whoever judges again a moment later holds their locks.
    """
    retry_at = next_common_opening(tally.windows, tally.now)
    reasons = []
    for rule, hours in tally.closed:
        opening = hours.next_opening(tally.now)
        says = "it does not open"
        if opening is not None:
            local = opening.astimezone(hours.zone).isoformat(timespec="minutes")
            says = f"it opens at {local} ({hours.zone.key})"
        reasons.append(reason("outside_hours", policy=rule.policy, rule=rule.name, opening=says))
    effect = "deny" if retry_at is None else "throttle"
    return Verdict(effect, _sorted(reasons), limits=() if retry_at is None else demands, retry_at=retry_at)


def _never(demand: LimitDemand) -> Reason:
    return reason(
        "rate_limited",
        policy=demand.policy,
        rule=demand.rule,
        maximum=demand.maximum,
        seconds=demand.window_seconds,
        admitted=0,
        units=demand.units,
    )


def _demands(tally: Tally, subject: Subject) -> tuple[LimitDemand, ...]:
    demands = [
        LimitDemand(
            policy=rule.policy,
            rule=rule.name,
            by=rule.limit.by or "policy",
            by_value=value,
            units=units,
            maximum=rule.limit.units,
            window_seconds=rule.limit.seconds,
        )
        for rule, mask in tally.limits
        if rule.limit is not None
        for value, units in _shares(rule.limit.by, mask, tally, subject)
    ]
    return tuple(demands) if len(demands) < 2 else tuple(sorted(demands, key=lambda demand: demand.key))


def _shares(by: str | None, mask: int, tally: Tally, subject: Subject) -> list[tuple[str, int]]:
    """Return by-values and the units that each takes.

    Where the catalogue counts destinations as units, only those that the rule is about take any.
    """
    action = tally.action
    counted = tally.spec.units == COUNT and bool(action.destinations)
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
    times = Counter(destination.identity for index, destination in enumerate(action.destinations) if mask >> index & 1)
    return [(identity, count if counted else units) for identity, count in times.items()]
