"""What the editor's forms can choose from, and the words that they share (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

COMMAS: Final = "Several are divided by commas."
LINES: Final = "Several: one on each line."


@dataclass(frozen=True, slots=True)
class Offers:
    """What can be chosen: what exists."""

    verbs: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    data_classes: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    zone: str = "UTC"


def same(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return words as choices that are called what they are."""
    return tuple((word, word) for word in words)
