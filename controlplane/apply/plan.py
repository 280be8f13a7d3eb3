"""What an application of a document changes: the difference between before and after (pure)."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controlplane.apply.dumping import dump

Documents = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one entry.

    Attributes:
        sign: ``+`` added, ``~`` changed, ``=`` as it was.
        section: for example ``agents``.
        name: the entry's.
        lines: the difference, line by line, each with its sign; empty for ``=``.
    """

    sign: str
    section: str
    name: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that one application changes, or would.

    Attributes:
        changes: one for each entry that the document names, or that changed with them.
        dry_run: whether it was rolled back.
    """

    changes: tuple[Change, ...]
    dry_run: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything is not as it was."""
        return any(change.sign != "=" for change in self.changes)

    def __str__(self) -> str:
        """Write the plan as people read it."""
        return "\n".join([*self._lines(), self.summary])

    @property
    def summary(self) -> str:
        """One sentence with the numbers."""
        counts = {sign: sum(change.sign == sign for change in self.changes) for sign in "+~="}
        numbers = f"{counts['+']} added, {counts['~']} changed, {counts['=']} unchanged"
        return f"{numbers}. Dry run: nothing was written." if self.dry_run else f"{numbers}."

    def _lines(self) -> Iterator[str]:
        for change in self.changes:
            yield f"{change.sign} {change.section}/{change.name}"
            yield from (f"    {line}" for line in change.lines)


def compare(before: Documents, after: Documents, *, named: Documents, dry_run: bool = False) -> Plan:
    """Return what changed.

    Args:
        before: entries by section and name, in normal form.
        after: the same, later.
        named: the document: entries in it appear even if nothing changed.
        dry_run: whether the changes were taken back.
    """
    changes = []
    for section, entries in after.items():
        old_entries = before.get(section, {})
        for name, new in entries.items():
            old = old_entries.get(name)
            if old != new:
                sign = "+" if old is None else "~"
                changes.append(Change(sign, section, name, tuple(_difference(old, new))))
            elif name in named.get(section, {}):
                changes.append(Change("=", section, name))
    return Plan(tuple(changes), dry_run)


def _difference(old: Any, new: Any) -> Iterator[str]:
    before = dump(old).splitlines() if old is not None else []
    for line in difflib.unified_diff(before, dump(new).splitlines(), n=0, lineterm=""):
        if not line.startswith(("---", "+++", "@@")):
            yield f"{line[0]} {line[1:]}"
