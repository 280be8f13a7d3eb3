"""Taking the time in which a run waited out of its time line, so that milliseconds stay visible (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Fold:
    """Stretches of time that are taken out; they neither overlap nor touch, earliest first."""

    gaps: tuple[tuple[datetime, datetime], ...] = ()

    def at(self, moment: datetime) -> datetime:
        """Return where a moment lies once the gaps are gone."""
        gone = timedelta()
        for begin, end in self.gaps:
            if moment <= begin:
                break
            gone += min(moment, end) - begin
        return moment - gone


def fold(waits: Iterable[tuple[datetime, datetime]]) -> Fold:
    """Merge stretches of waiting into gaps."""
    merged: list[tuple[datetime, datetime]] = []
    for begin, end in sorted(waits):
        if end <= begin:
            continue
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return Fold(tuple(merged))
