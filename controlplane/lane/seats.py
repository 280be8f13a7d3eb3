"""How many may wait: all together, and each caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Seats:
    """Places for waiting requests, of one event loop.

    Args:
        total: for everybody together.
        each: for one caller.
    """

    def __init__(self, *, total: int, each: int) -> None:
        self.total = total
        self.each = each
        self.taken: Counter[str] = Counter()
        self.number = 0

    @contextmanager
    def take(self, caller: str) -> Iterator[bool]:
        """Hold a place while the block runs, if there is one; say whether."""
        if self.number >= self.total or self.taken[caller] >= self.each:
            yield False
            return
        self.number += 1
        self.taken[caller] += 1
        try:
            yield True
        finally:
            self.number -= 1
            self.taken[caller] -= 1
            if not self.taken[caller]:
                del self.taken[caller]
