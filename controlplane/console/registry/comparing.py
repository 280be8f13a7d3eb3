"""What changed between two definitions, place by place (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from controlplane.console import text
from controlplane.console.diffs import Line, line_diff

MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Change:
    """One place that differs.

    Attributes:
        pointer: JSON pointer into the definition.
        kind: ``added``, ``removed`` or ``changed``.
        lines: before and after; texts word by word.
    """

    pointer: str
    kind: str
    lines: tuple[Line, ...]


def compare(before: Any, after: Any) -> tuple[Change, ...]:
    """Return every place that differs, in the order of the newer definition; at most `MOST`."""
    found = []
    for change in _walk(before, after, ""):
        found.append(change)
        if len(found) == MOST:
            break
    return tuple(found)


def _walk(old: Any, new: Any, at: str) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*new, *(name for name in old if name not in new)]:
            yield from _member(old, new, name, f"{at}/{str(name).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(old, list) and isinstance(new, list):
        for place in range(max(len(old), len(new))):
            before = {0: old[place]} if place < len(old) else {}
            after = {0: new[place]} if place < len(new) else {}
            yield from _member(before, after, 0, f"{at}/{place}")
    elif type(old) is not type(new) or old != new:
        yield Change(at or "/", "changed", tuple(line_diff(_written(old), _written(new))))


def _member(old: Mapping[Any, Any], new: Mapping[Any, Any], name: Any, at: str) -> Iterator[Change]:
    if name not in old:
        yield Change(at, "added", tuple(line for line in line_diff("", _written(new[name])) if line.sign == "+"))
    elif name not in new:
        yield Change(at, "removed", tuple(line for line in line_diff(_written(old[name]), "") if line.sign == "-"))
    else:
        yield from _walk(old[name], new[name], at)


def _written(value: Any) -> str:
    # A prompt is read as text, with its own line ends; everything else as JSON.
    return value if isinstance(value, str) else text.pretty(value)
