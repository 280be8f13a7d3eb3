"""How a further report of something known changes what is kept (pure).

The outcome does not depend on the order of arrival: what a final report says wins, other
reports fill in what it left open, and of two different final reports the first stays. Among
reports that are not final the latest wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runs.states import is_final

STATUS = "status"


@dataclass(frozen=True, slots=True)
class Merge:
    """What a report changes.

    Attributes:
        changes: field → new value.
        conflicts: names of fields that contradict what is kept; then nothing changes.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    conflicts: tuple[str, ...] = ()


def is_said(value: Any) -> bool:
    """Say whether a value says anything: zero does."""
    return value is not None and value not in ("", {})


def merge(kept: Mapping[str, Any], said: Mapping[str, Any]) -> Merge:
    """Compare a report with what is kept.

    Args:
        kept: the fields as they are, among them ``status``.
        said: the fields that the report says, each with a value that says something.

    Returns:
        The changes, or the conflicts.
    """
    differing = {name: value for name, value in said.items() if kept[name] != value}
    if not is_final(kept[STATUS]):
        return Merge(changes=differing)
    fresh = {name: value for name, value in differing.items() if not is_said(kept[name])}
    status = said.get(STATUS, kept[STATUS])
    if not is_final(status):
        return Merge(changes=fresh)
    conflicts = (STATUS,) if status != kept[STATUS] else tuple(name for name in differing if name not in fresh)
    return Merge(conflicts=conflicts) if conflicts else Merge(changes=fresh)
