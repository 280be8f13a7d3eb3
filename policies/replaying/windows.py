"""Sliding limits counted in memory, as `policies.limits` counts them in the database (pure).

For every window (t−W, t]: admitted units ≤ N. Times are whole microseconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from policies.facts import LimitDemand

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_COMPACT: Final = 4_096


def micros(moment: datetime) -> int:
    """Return an aware time as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


class _Window:
    """What one limit admitted, the oldest first, from `head` on."""

    __slots__ = ("head", "length", "sum", "times", "units")

    def __init__(self, length: int) -> None:
        self.length = length
        self.head = 0
        self.sum = 0
        self.times = array("q")
        self.units = array("q")

    def forget(self, before: int) -> None:
        """Drop what is at or before a moment."""
        head, times, units = self.head, self.times, self.units
        while head < len(times) and times[head] <= before:
            self.sum -= units[head]
            head += 1
        if head > _COMPACT and head * 2 > len(times):
            del times[:head], units[:head]
            head = 0
        self.head = head

    def add(self, at: int, units: int) -> None:
        """Admit units."""
        self.times.append(at)
        self.units.append(units)
        self.sum += units


class _Met:
    """When a split guard's window met each of its distinct values last; the one met longest ago stands first."""

    __slots__ = ("last", "length")

    def __init__(self, length: int) -> None:
        self.length = length
        self.last: dict[str, int] = {}

    def forget(self, before: int) -> None:
        """Drop what was met last at or before a moment."""
        gone = []
        for value, at in self.last.items():
            if at > before:
                break
            gone.append(value)
        for value in gone:
            del self.last[value]

    def meet(self, values: Iterable[str], at: int) -> None:
        """Meet values."""
        for value in values:
            # Taken out first: the order is that of the last meetings.
            self.last.pop(value, None)
            self.last[value] = at


class Kept(msgspec.Struct, array_like=True):
    """One window between two slices: key, length in µs, times, units; or distinct values and when each was met last."""

    key: str
    length: int
    times: bytes
    units: bytes
    values: list[str] = []


class Windows:
    """Every limit's window, by its key.

    Args:
        kept: what an earlier slice left inside windows.
        last: the latest moment that it met, µs: also a decision that took nothing may have been the latest.
    """

    def __init__(self, kept: Iterable[Kept] = (), *, last: int = 0) -> None:
        self._by_key: dict[str, _Window] = {}
        self._distinct: dict[str, _Met] = {}
        self._last = last
        for each in kept:
            if each.values:
                met = self._distinct[each.key] = _Met(each.length)
                met.last = dict(zip(each.values, array("q", each.times), strict=True))
                self._last = max(self._last, *met.last.values())
                continue
            window = self._by_key[each.key] = _Window(each.length)
            window.times.frombytes(each.times)
            window.units.frombytes(each.units)
            window.sum = sum(window.units)
            self._last = max(self._last, window.times[-1] if window.times else 0)

    def admit(self, key: str, *, at: datetime, units: int, window_seconds: int) -> None:
        """Take over what the database knows to have been admitted before; in the order of time."""
        moment = self._moment(at)
        self._window(key, window_seconds).add(moment, units)

    def meet(self, key: str, value: str, *, at: datetime, window_seconds: int) -> None:
        """Take over a distinct value that the database knows to have been met before; in the order of time."""
        self._met(key, window_seconds).meet((value,), self._moment(at))

    def exhausted(self, demands: Sequence[LimitDemand], *, at: datetime) -> tuple[LimitDemand, int] | None:
        """Say which limit does not admit its units at a moment, and what it has admitted; nothing is taken."""
        moment = self._moment(at)
        for demand in demands:
            if demand.values:
                met = self._met(demand.key, demand.window_seconds)
                met.forget(moment - met.length)
                others = len(met.last) - sum(value in met.last for value in demand.values)
                if others + demand.units > demand.maximum:
                    return demand, others
                continue
            window = self._window(demand.key, demand.window_seconds)
            window.forget(moment - window.length)
            if window.sum + demand.units > demand.maximum:
                return demand, window.sum
        return None

    def take(self, demands: Sequence[LimitDemand], *, at: datetime) -> None:
        """Take the units; `exhausted` has said None for this moment."""
        moment = self._moment(at)
        for demand in demands:
            if demand.values:
                self._met(demand.key, demand.window_seconds).meet(demand.values, moment)
            else:
                self._window(demand.key, demand.window_seconds).add(moment, demand.units)

    @property
    def last(self) -> int:
        """The latest moment so far, µs."""
        return self._last

    def keep(self) -> list[Kept]:
        """Return what is still inside a window, for the next slice."""
        found = []
        for key, window in self._by_key.items():
            window.forget(self._last - window.length)
            if window.head < len(window.times):
                times, units = window.times[window.head :], window.units[window.head :]
                found.append(Kept(key, window.length, times.tobytes(), units.tobytes()))
        for key, met in self._distinct.items():
            met.forget(self._last - met.length)
            if met.last:
                found.append(Kept(key, met.length, array("q", met.last.values()).tobytes(), b"", list(met.last)))
        return found

    def _met(self, key: str, seconds: int) -> _Met:
        found = self._distinct.get(key)
        if found is None:
            found = self._distinct[key] = _Met(seconds * _SECOND)
        return found

    def _window(self, key: str, seconds: int) -> _Window:
        window = self._by_key.get(key)
        if window is None:
            window = self._by_key[key] = _Window(seconds * _SECOND)
        return window

    def _moment(self, at: datetime) -> int:
        # Decisions come by id, which may differ from the order of their times by a little.
        self._last = max(self._last, micros(at))
        return self._last
