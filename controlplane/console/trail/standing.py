"""How the trail stands: how far it is sealed, and what the last verification said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.models import Entry, Seal, Verification

LAGGING = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class TrailStanding:
    """How the trail stands.

    Attributes:
        seq: last sealed number.
        behind: age of the oldest entry that no seal covers, None where all are sealed.
        verdict: of the last verification, or ``unchecked``.
        verified_at: when that was.
        verified_seq: the last good number, or the first bad one.
        detail: what is wrong, in a sentence; empty where nothing is.
        lagging: whether entries wait too long for their seal.
    """

    seq: int
    behind: timedelta | None
    verdict: str
    verified_at: datetime | None
    verified_seq: int
    detail: str
    lagging: bool

    @property
    def broken(self) -> bool:
        """Whether the last verification found the chain broken."""
        return self.verdict not in {"intact", "unchecked"}


def read_standing(*, now: datetime) -> TrailStanding:
    """Read how the trail stands."""
    newest = Seal.objects.order_by("-seq").first()
    oldest = Entry.objects.unsealed(since=newest).order_by("id").first()
    last = Verification.objects.first()
    behind = max(now - oldest.at, timedelta(0)) if oldest else None
    return TrailStanding(
        newest.seq if newest else 0,
        behind,
        last.verdict if last else "unchecked",
        last.at if last else None,
        last.seq if last else 0,
        last.detail if last else "",
        behind is not None and behind > LAGGING,
    )
