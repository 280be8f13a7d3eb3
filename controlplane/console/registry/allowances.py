"""What is left of the limits that bind one agent: "60 of 200 left until 18:00"."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Min, Sum

from controlplane.console import formats
from controlplane.console.clocks import present_zone
from policies.facts import LimitDemand
from policies.language import PolicySet
from policies.models import Admission
from registry.models import Agent

_VALUES = {None, "agent", "team"}


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
    return {(demand.policy, demand.rule): _left(demand, now) for demand in demands}


def _left(demand: LimitDemand, now: datetime) -> str:
    window = timedelta(seconds=demand.window_seconds)
    rows = Admission.objects.filter(key=demand.key, at__gt=now - window, at__lte=now)
    taken = rows.aggregate(units=Sum("units"), first=Min("at"))
    text = f"{max(demand.maximum - (taken['units'] or 0), 0):,} of {demand.maximum:,} left"
    if not taken["units"]:
        return text
    return f"{text} until {formats.clock(taken['first'] + window, now=now, zone=present_zone())}"
