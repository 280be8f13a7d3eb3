"""JSON pointers (RFC 6901) into a payload, in which ``*`` stands for every element of a list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from registry.documents import join

EVERY: Final = "*"
_PART: Final = re.compile(r"(?:[^~]|~[01])*")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer as written and its unescaped reference tokens."""

    text: str
    tokens: tuple[str, ...]

    @property
    def is_pattern(self) -> bool:
        """Whether it can lead to more than one value."""
        return EVERY in self.tokens


class NoTarget(Exception):
    """A pointer leads nowhere.

    Attributes:
        pointer: the first place that is not there.
    """

    def __init__(self, pointer: str) -> None:
        self.pointer = pointer
        super().__init__(pointer)


def parse_pointer(text: str) -> Pointer:
    """Read a pointer below the root.

    Raises:
        ValueError: not of the form ``/to/0`` with ``~0`` and ``~1`` as the only escapes.
    """
    parts = text.split("/")
    if parts[0] or len(parts) < 2 or not all(_PART.fullmatch(part) for part in parts):
        message = "A JSON pointer starts with / and writes ~ as ~0: /to/0."
        raise ValueError(message)
    return Pointer(text, tuple(part.replace("~1", "/").replace("~0", "~") for part in parts[1:]))


def targets(root: object, pointer: Pointer, *, at: str) -> list[tuple[str, object]]:
    """Find everything that a pointer leads to.

    Args:
        root: the value that the pointer starts from.
        pointer: where to go; ``*`` goes to every element of a list, and only of a list.
        at: pointer of `root` itself, for the places returned.

    Returns:
        (place, value), at least one.

    Raises:
        NoTarget: a step leads nowhere, or ``*`` meets an empty list.
    """
    found: list[tuple[str, object]] = [(at, root)]
    for token in pointer.tokens:
        reached: list[tuple[str, object]] = []
        for where, value in found:
            if token == EVERY and isinstance(value, list) and value:
                reached.extend((f"{where}/{index}", item) for index, item in enumerate(value))
            elif isinstance(value, Mapping) and token != EVERY and token in value:
                reached.append((join(where, token), value[token]))
            elif isinstance(value, list) and _INDEX.fullmatch(token) and int(token) < len(value):
                reached.append((f"{where}/{token}", value[int(token)]))
            else:
                raise NoTarget(join(where, token))
        found = reached
    return found
