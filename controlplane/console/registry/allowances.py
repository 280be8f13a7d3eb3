"""What is left of the limits that bind one agent: "60 of 200 left until 18:00"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Min, Q, Sum

from controlplane.console import formats
from controlplane.console.clocks import present_zone
from controlplane.console.policies.sentences import about_agent
from policies.facts import LimitDemand
from policies.language import PolicySet, Rule
from policies.models import Admission
from registry.models import Agent

_VALUES = {None, "agent", "team"}
# SQLite nests a thousand alternatives at most.
_AT_ONCE: Final = 200


def limits_left(policies: PolicySet, agent: Agent, *, now: datetime) -> dict[tuple[str, str], str]:
    """Say what is left of each limit that is counted for the agent, its team or its whole policy.

    Limits by verb or destination have as many windows as there are values, and are left out.

    Args:
        policies: the published set.
        agent: its team is joined.
        now: aware UTC.

    Returns:
        By policy and rule, for example ``140 of 200 left until 18:00 CET``: then the oldest part of the window is over.
    """
    demands = [
        LimitDemand(
            policy=policy.slug,
            rule=rule.name,
            by=rule.limit.by or "policy",
            by_value={None: "", "agent": agent.slug, "team": agent.team.slug}[rule.limit.by],
            units=0,
            maximum=rule.limit.units,
            window_seconds=rule.limit.seconds,
        )
        for policy in policies.policies.values()
        if not policy.shadow
        for rule in policy.rules
        if rule.limit is not None and rule.limit.by in _VALUES
    ]
    counted = _counted(demands, now)
    return {(demand.policy, demand.rule): _left(demand, counted.get(demand.key), now) for demand in demands}


def limits_on(policies: PolicySet, agent: Agent, *, verb: str, now: datetime) -> tuple[tuple[str, str, str], ...]:
    """Say what is left of each limit that one verb of the agent counts against.

    Args:
        policies: the published set.
        agent: its team is joined.
        verb: what it asks for.
        now: aware UTC.

    Returns:
        Policy, rule, and what is left as `limits_left` says it. A limit that looks at more than the verb is among
        them: whether it counts this one action depends on bytes that may still be edited.
    """
    spoken = about_agent(policies, agent=agent.slug, team=agent.team.slug, tags=frozenset(agent.tags))
    own = {sentence.policy for sentence in spoken}
    binding = PolicySet(
        {
            slug: replace(policy, rules=tuple(rule for rule in policy.rules if _on(rule, verb)))
            for slug, policy in policies.policies.items()
            if slug in own
        }
    )
    left = limits_left(binding, agent, now=now)
    return tuple((policy, rule, text) for (policy, rule), text in left.items())


def _on(rule: Rule, verb: str) -> bool:
    verbs = rule.selectors.verbs
    return not verbs or any(pattern.matches(verb) for pattern in verbs)


def _counted(demands: Sequence[LimitDemand], now: datetime) -> dict[str, dict[str, Any]]:
    """Count each limit's own window, by the limit's key: together, for a policy may have many."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(demands), _AT_ONCE):
        windows = Q()
        for demand in demands[start : start + _AT_ONCE]:
            windows |= Q(key=demand.key, at__gt=now - timedelta(seconds=demand.window_seconds))
        rows = Admission.objects.filter(windows, at__lte=now).order_by().values("key")
        found |= {row["key"]: dict(row) for row in rows.annotate(taken=Sum("units"), first=Min("at"))}
    return found


def _left(demand: LimitDemand, counted: dict[str, Any] | None, now: datetime) -> str:
    taken = counted["taken"] if counted else 0
    text = f"{max(demand.maximum - taken, 0):,} of {demand.maximum:,} left"
    if counted is None or not taken:
        return text
    ends = counted["first"] + timedelta(seconds=demand.window_seconds)
    return f"{text} until {formats.clock(ends, now=now, zone=present_zone())}"
