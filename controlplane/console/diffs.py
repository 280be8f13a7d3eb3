"""What changed between two texts, line by line and word by word (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

_WORDS: Final = re.compile(r"\w+|\s+|.", re.DOTALL)
_CONTEXT: Final = 3
# Word by word costs the product of both lengths; longer lines are shown whole.
_LONGEST_LINE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a line; `changed` where it differs from the other side."""

    text: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diff.

    Attributes:
        sign: ``-`` removed, ``+`` added, a blank for context, ``…`` for lines left out.
        parts: its text.
    """

    sign: str
    parts: tuple[Part, ...]

    @property
    def word(self) -> str:
        """What a screen reader says before the line."""
        return {"-": "removed", "+": "added"}.get(self.sign, "")


def line_diff(before: str, after: str) -> list[Line]:
    """Compare two texts.

    Returns:
        Removed and added lines with three lines of context; empty where nothing differs.
    """
    old, new = before.split("\n"), after.split("\n")
    found: list[Line] = []
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_CONTEXT):
        if found or group[0][1] > 0:
            found.append(Line("…", ()))
        for tag, a, b, c, d in group:
            found.extend(_block(tag, old[a:b], new[c:d]))
    return found


def _block(tag: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    if tag == "equal":
        yield from (Line(" ", (Part(text),)) for text in old)
        return
    paired = tag == "replace" and len(old) == len(new)
    if paired:
        sides = [word_diff(one, other) for one, other in zip(old, new, strict=True)]
        yield from (Line("-", left) for left, _ in sides)
        yield from (Line("+", right) for _, right in sides)
        return
    yield from (Line("-", (Part(text, changed=True),)) for text in old)
    yield from (Line("+", (Part(text, changed=True),)) for text in new)


def word_diff(before: str, after: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Return both sides of a changed line, each in stretches."""
    if len(before) > _LONGEST_LINE or len(after) > _LONGEST_LINE:
        return (Part(before, changed=True),), (Part(after, changed=True),)
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    left: list[Part] = []
    right: list[Part] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        changed = tag != "equal"
        if a < b:
            left.append(Part("".join(old[a:b]), changed))
        if c < d:
            right.append(Part("".join(new[c:d]), changed))
    return tuple(left), tuple(right)
