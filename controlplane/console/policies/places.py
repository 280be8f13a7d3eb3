"""Which part of a policy document a form of the editor is about (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from controlplane.console.policies.sheet_table import POLICY, RULES, TESTS
from registry.documents import join


@dataclass(frozen=True, slots=True)
class Place:
    """Which part is open.

    Attributes:
        policy: slug; empty for a policy that is not there yet.
        part: ``rules``, ``tests`` or ``policy``.
        index: its place in the list; None: it is not there yet, or is the policy itself.
    """

    policy: str
    part: str
    index: int | None

    def __str__(self) -> str:
        """Write it as it is posted."""
        return join("", self.policy, self.part, "" if self.index is None else self.index)

    @property
    def pointer(self) -> str:
        """Where it stands in the document."""
        return join("", self.policy) if self.part == POLICY else join("", self.policy, self.part, self.index or 0)


def read_place(text: str) -> Place | None:
    """Read a place as it is posted; None for what is none."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")]
    if len(parts) != 4 or parts[0] or parts[2] not in {RULES, TESTS, POLICY}:
        return None
    index = parts[3]
    if index and not (index.isascii() and index.isdigit() and len(index) < 6):
        return None
    return Place(parts[1], parts[2], int(index) if index else None)
