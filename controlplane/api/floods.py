"""Floods: a caller who sends without measure is told to wait before the others suffer."""

from __future__ import annotations

import math
import threading
from time import monotonic
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from audit.refusals import Flooded
from registry.authentication import Principal

_MOST_NAMES = 10_000


class Buckets:
    """A token bucket for each name, in this process: what it counts need not outlive it.

    Args:
        rate: calls per second that a name may go on sending.
        burst: calls that it may send at once.
    """

    def __init__(self, *, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._lock = threading.Lock()
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, name: str, now: float) -> float:
        """Take one call of a name.

        Args:
            name: whose.
            now: seconds of a monotonic clock.

        Returns:
            0 where it is admitted, else the seconds until one would be.
        """
        with self._lock:
            level, since = self._levels.get(name, (self.burst, now))
            level = min(self.burst, level + (now - since) * self.rate)
            if level < 1:
                self._levels[name] = (level, now)
                return (1 - level) / self.rate
            if len(self._levels) >= _MOST_NAMES:
                self._forget(now)
            self._levels[name] = (level - 1, now)
            return 0

    def _forget(self, now: float) -> None:
        """Drop the names whose buckets are full again, all if that is too few."""
        filling = {
            name: (level, since)
            for name, (level, since) in self._levels.items()
            if level + (now - since) * self.rate < self.burst
        }
        self._levels = filling if len(filling) < _MOST_NAMES else {}


_BURST = 10
# By default far above what one agent or person means to send; policies' limits are for the rest.
ADMITTED = Buckets(rate=settings.CALLS_PER_SECOND, burst=_BURST * settings.CALLS_PER_SECOND)
# Calls without a valid key or session, by network address.
REFUSED = Buckets(rate=settings.REFUSED_PER_SECOND, burst=_BURST * settings.REFUSED_PER_SECOND)


class FloodGuard(BaseThrottle):
    """Counts the calls of a key or a person; whoever is neither was counted where they were refused."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the call.

        Raises:
            Flooded: too many.
        """
        caller: Any = request.user
        is_agent = isinstance(caller, Principal)
        name = f"key:{caller.public_id}" if is_agent else f"person:{caller.pk}"
        count(ADMITTED, name)
        return True


def count(buckets: Buckets, name: str) -> None:
    """Take one call.

    Raises:
        Flooded: there were too many, with ``Retry-After``.
    """
    wait = buckets.take(name, monotonic())
    if wait:
        raise Flooded("Too many calls; slow down.", headers={"Retry-After": str(math.ceil(wait))})
