"""What the rules that an action met amount to, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from policies.compile import CompiledRule
from policies.conditions import ConditionFailed, Facts
from policies.demands import demands_of, exhausted
from policies.facts import Action, LimitDemand, Reason, Subject, Verdict
from policies.freezes import Freeze
from policies.hours import Hours, next_common_opening
from policies.reasons import reason
from policies.selectors import is_over
from registry.catalogue import VerbSpec


class Tally:
    """Collects rules that match an action, by what they do.

    Sets of destinations are bits: bit i is ``action.destinations[i]``; an action without any
    destination counts as one that only rules without destination patterns can match.
    """

    __slots__ = (
        "action", "allows", "closed", "covered", "errors", "everything", "facts", "forbids", "limits", "now",
        "oversize", "reviews", "spec", "windows",
    )  # fmt: skip

    def __init__(self, action: Action, spec: VerbSpec, now: datetime, facts: Facts) -> None:
        self.action = action
        self.spec = spec
        self.now = now
        self.facts = facts
        self.everything = (1 << (len(action.destinations) or 1)) - 1
        self.covered = 0
        self.errors: list[Reason] = []
        self.forbids: list[CompiledRule] = []
        self.allows: list[CompiledRule] = []
        self.reviews: list[CompiledRule] = []
        self.oversize: list[tuple[CompiledRule, int]] = []
        self.limits: list[tuple[CompiledRule, int]] = []
        self.windows: list[Hours | Freeze] = []
        self.closed: list[tuple[CompiledRule, Hours | Freeze]] = []

    def copy(self) -> Tally:
        """Return a tally that can be added to without changing this one."""
        other = Tally(self.action, self.spec, self.now, self.facts)
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
            what = f"its condition, {error.kind}" if isinstance(error, ConditionFailed) else type(error).__name__
            where = f" (rule {rule.name} of {rule.policy}: {what})"
            self.errors.append(reason("evaluation_error", policy=rule.policy, rule=rule.name, where=where))
            return True

    def _add(self, rule: CompiledRule, mask: int) -> bool:
        if not self._selected(rule):
            return False
        kind = rule.kind
        if kind == "allow":
            return self._permit(rule, mask)
        if kind == "review":
            self.reviews.append(rule)
            self._permit(rule, mask)
        elif kind == "forbid":
            self.forbids.append(rule)
        elif rule.limit is not None or rule.split is not None:
            self.limits.append((rule, mask))
        elif rule.window is not None:
            self.windows.append(rule.window)
            if not rule.window.is_open(self.now):
                self.closed.append((rule, rule.window))
        else:
            raise ValueError(kind)
        return True

    def _selected(self, rule: CompiledRule) -> bool:
        """Ask the selectors that are not in the index; the condition last, where all others matched."""
        labels, action = rule.data_classes, self.action
        return (
            (rule.amount_over is None or is_over(rule.amount_over, action.amount))
            and not (labels and labels.isdisjoint(action.data_classes) and labels.isdisjoint(self.spec.data_classes))
            and (rule.provenance is None or rule.provenance.matches(action.payload, self.facts.told))
            and (rule.when is None or rule.when.holds(self.facts))
        )

    def _permit(self, rule: CompiledRule, mask: int) -> bool:
        if rule.data_classes and rule.data_classes.isdisjoint(self.spec.data_classes):
            # Only the agent says so, and what it says may hold an action but not permit it.
            return False
        if rule.provenance is not None and not rule.provenance.matches_silence:
            # Likewise: it would not have matched if the agent had claimed nothing.
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
    demands = demands_of(tally.limits, tally.action, tally.spec, subject) if tally.limits else ()
    excessive = [demand for demand in demands if demand.units > demand.maximum]
    if excessive:
        return Verdict("deny", _sorted([exhausted(demand, 0) for demand in excessive]))
    if tally.closed:
        return _throttled(tally, demands)
    obligations = _obligations([*tally.allows, *tally.reviews])
    if tally.reviews:
        queues = tuple(sorted({rule.queue for rule in tally.reviews if rule.queue is not None}))
        return Verdict("review", _sorted(_because(tally.reviews)), queues, demands, obligations=obligations)
    return Verdict("allow", _sorted(_because(tally.allows)), (), demands, obligations=obligations)


def _obligations(rules: list[CompiledRule]) -> tuple[Mapping[str, object], ...]:
    """Return what every rule that had a part in the permission asks; they add up."""
    if not any(rule.obligations for rule in rules):
        return ()
    found = {(each.name, each.value, rule.policy, rule.name) for rule in rules for each in rule.obligations}
    return tuple(
        {"name": name, "value": value, "policy": policy, "rule": rule} for name, value, policy, rule in sorted(found)
    )


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
        if isinstance(hours, Freeze):
            reasons.append(reason("frozen", policy=rule.policy, rule=rule.name, until=hours.end_in_words))
            continue
        opening = hours.next_opening(tally.now)
        says = "it does not open"
        if opening is not None:
            local = opening.astimezone(hours.zone).isoformat(timespec="minutes")
            says = f"it opens at {local} ({hours.zone.key})"
        reasons.append(reason("outside_hours", policy=rule.policy, rule=rule.name, opening=says))
    effect = "deny" if retry_at is None else "throttle"
    return Verdict(effect, _sorted(reasons), limits=() if retry_at is None else demands, retry_at=retry_at)
