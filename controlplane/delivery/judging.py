"""What an answer means (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from controlplane.delivery.states import Means

_LONGEST_WAIT = timedelta(hours=1)
_CONFLICT, _GONE = 409, 410


class Meaning(Enum):
    """What comes of an attempt."""

    DELIVERED = "delivered"
    FAILED = "failed"
    SOON = "soon"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt saw.

    Attributes:
        status: HTTP status; None where there was no answer.
        error: why there was none; empty otherwise.
        text: the beginning of the answer; read here, kept nowhere.
        retry_after: the header's text, or empty.
        milliseconds: how long it took.
    """

    status: int | None
    error: str = ""
    text: str = ""
    retry_after: str = ""
    milliseconds: int = 0

    @property
    def words(self) -> str:
        """Say it in short."""
        return self.error or f"answered {self.status}"

    @property
    def wait(self) -> timedelta:
        """How long the receiver wants to be left alone: an hour at most, none where it does not say."""
        text = self.retry_after.strip()
        if not (text.isascii() and text.isdigit() and len(text) < 7):
            return timedelta(0)
        return min(timedelta(seconds=int(text)), _LONGEST_WAIT)


def meaning_of(means: str, outcome: Outcome) -> Meaning:
    """Say what an answer means.

    A one-off callback resumes something that waits: n8n answers 409 both when it is too early ("is running already")
    and when it is over ("has finished already").
    """
    if outcome.status is None:
        return Meaning.FAILED
    if 200 <= outcome.status < 300:
        return Meaning.DELIVERED
    if outcome.status == _GONE:
        return Meaning.GONE
    if means == Means.CALLBACK and outcome.status == _CONFLICT:
        text = outcome.text.lower()
        if "has finished" in text:
            return Meaning.DELIVERED
        if "running already" in text:
            return Meaning.SOON
    return Meaning.FAILED
