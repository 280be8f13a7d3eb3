"""How busy an agent was in the last 24 hours, hour by hour."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count
from django.db.models.functions import TruncHour

from policies.models import Decision
from registry.models import Agent

HOURS: Final = 24
HEIGHT: Final = 24


@dataclass(frozen=True, slots=True)
class Tick:
    """One hour; x, y and height in the spark line's own units, 10 wide for each hour."""

    x: int
    y: int
    height: int
    label: str


@dataclass(frozen=True, slots=True)
class Spark:
    """A row of small bars with what they say."""

    title: str
    ticks: tuple[Tick, ...]

    @property
    def width(self) -> int:
        """Width in its own units."""
        return max(len(self.ticks), 1) * 10


def spark(title: str, counts: list[tuple[str, int]]) -> Spark:
    """Lay small bars out (pure).

    Args:
        title: what is drawn.
        counts: label and number of each bar, from left to right.
    """
    most = max((number for _, number in counts), default=0) or 1
    ticks = []
    for place, (label, number) in enumerate(counts):
        height = max(round(number * HEIGHT / most), 2) if number else 0
        ticks.append(Tick(place * 10, HEIGHT - height, height, f"{label}: {number}"))
    return Spark(title, tuple(ticks))


def by_the_hour(agent: Agent, *, now: datetime) -> Spark:
    """Count an agent's decisions in each of the last 24 hours."""
    last = now.replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=HOURS - 1)
    rows = Decision.objects.real().since(first).filter(agent=agent).order_by()
    found: Counter[datetime] = Counter()
    for hour, number in rows.annotate(hour=TruncHour("at")).values_list("hour").annotate(n=Count("pk")):
        found[hour] += number
    hours = [first + timedelta(hours=step) for step in range(HOURS)]
    return spark("Asks in the last 24 hours", [(f"{hour:%H:%M} UTC", found[hour]) for hour in hours])
