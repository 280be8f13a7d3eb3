"""States and words of costs."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices


class Scope(TextChoices):
    """Whose spend a budget bounds, from the root of the tree to its leaves."""

    ORGANISATION = "organisation", "Organisation"
    TEAM = "team", "Team"
    AGENT = "agent", "Agent"
    TASK = "task", "One task of an agent"


class Per(TextChoices):
    """How long a budget's period is."""

    DAY = "day", "Day"
    WEEK = "week", "Week (from Monday)"
    MONTH = "month", "Month"


class AtLimit(TextChoices):
    """What a budget does when it is spent."""

    ALERT = "alert", "Alert only"
    THROTTLE = "throttle", "Throttle until the period ends"
    DENY = "deny", "Deny"
    PAUSE = "pause", "Deny, and pause the agents"


class Grain(TextChoices):
    """How long a rollup's bucket is."""

    HOUR = "hour", "Hour"
    DAY = "day", "Day"


class ReservationState(TextChoices):
    """Life of money set aside for one decision."""

    HELD = "held", "Held"
    SETTLED = "settled", "Settled by usage"
    RELEASED = "released", "Released without usage"


# The budgets that can say no take part in the decision's transaction; the others are only accounted.
GUARDED = frozenset({AtLimit.THROTTLE, AtLimit.DENY, AtLimit.PAUSE})

# The order in which budgets are locked: leaf to root.
RANK: Mapping[str, int] = {Scope.TASK: 0, Scope.AGENT: 1, Scope.TEAM: 2, Scope.ORGANISATION: 3}

Table = Mapping[str, frozenset[str]]

RESERVATION: Table = {
    ReservationState.HELD: frozenset({ReservationState.SETTLED, ReservationState.RELEASED}),
    ReservationState.SETTLED: frozenset(),
    # Usage that is reported after the action was closed still belongs to where it was reserved.
    ReservationState.RELEASED: frozenset({ReservationState.SETTLED}),
}
