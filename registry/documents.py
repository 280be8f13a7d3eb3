"""Reading configuration documents: every defect is collected, each with a JSON pointer.

A document is what a YAML or JSON reader returns: mappings, lists, text, numbers. A `Section`
reads one mapping of it and remembers which keys were asked for, so that the rest can be refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from audit.canonical import escape_pointer
from audit.refusals import Invalid, Problem

SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,8})([smhdw])")
MAX_DURATION_SECONDS: Final = 366 * 86_400


class DocumentInvalid(Invalid):
    """A configuration document has defects; `errors` holds all of them, with pointers."""

    code, title = "document_invalid", "The document is not valid"

    def __init__(self, errors: Sequence[Problem]) -> None:
        found = tuple(errors)
        first = f"{found[0].pointer or '/'}: {found[0].detail}" if found else self.title
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        super().__init__(first + more, errors=found)


def join(pointer: str, *tokens: str | int) -> str:
    """Return the pointer to something below `pointer`."""
    return pointer + "".join(f"/{escape_pointer(str(token))}" for token in tokens)


def duration_seconds(text: str) -> int:
    """Read ``30s``, ``5m``, ``24h``, ``1d`` or ``1w``.

    Raises:
        ValueError: another form, or longer than 366 days.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        message = "Write a duration as a whole number and one of s, m, h, d, w: 30s, 24h, 1d."
        raise ValueError(message)
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > MAX_DURATION_SECONDS:
        message = "A duration is at most 366 days."
        raise ValueError(message)
    return seconds


class Problems:
    """Collects defects while a document is read."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, pointer: str, code: str, detail: str) -> None:
        """Note a defect and go on reading."""
        self.found.append(Problem(pointer, code, detail))

    def raise_if_any(self) -> None:
        """End the reading.

        Raises:
            DocumentInvalid: at least one defect was noted.
        """
        if self.found:
            raise DocumentInvalid(self.found)


class Section:
    """One mapping of a document while it is read.

    Args:
        problems: where defects go.
        pointer: where the mapping stands.
        raw: what stands there; anything but a mapping is a defect and reads as empty.
    """

    __slots__ = ("_raw", "_taken", "broken", "pointer", "problems")

    def __init__(self, problems: Problems, pointer: str, raw: object) -> None:
        self.problems = problems
        self.pointer = pointer
        self.broken = not isinstance(raw, Mapping)
        self._raw: Mapping[object, object] = raw if isinstance(raw, Mapping) else {}
        self._taken: set[object] = set()
        if self.broken:
            problems.add(pointer, "wrong_type", f"Expected keys and values, found {_kind(raw)}.")

    def at(self, key: str) -> str:
        """Return the pointer to one of the keys."""
        return join(self.pointer, key)

    def add(self, key: str, code: str, detail: str) -> None:
        """Note a defect of one key's value."""
        self.problems.add(self.at(key), code, detail)

    def has(self, key: str) -> bool:
        """Say whether the key is there."""
        return key in self._raw

    def names(self) -> list[str]:
        """Return the keys that are text, in the document's order; others are noted."""
        for key in self._raw:
            if not isinstance(key, str):
                self.problems.add(join(self.pointer, str(key)), "wrong_type", "A key must be text; quote it.")
        return [key for key in self._raw if isinstance(key, str)]

    def take(self, key: str, *, required: bool = False) -> object:
        """Return the value as it stands, None where it is absent."""
        self._taken.add(key)
        if required and key not in self._raw and not self.broken:
            self.add(key, "missing", f"“{key}” is required.")
        return self._raw.get(key)

    def text(self, key: str, *, required: bool = False) -> str | None:
        """Return a non-empty text."""
        value = self.take(key, required=required)
        if key not in self._raw:
            return None
        if not isinstance(value, str) or not value:
            self.add(key, "wrong_type", f"Expected text, found {_kind(value)}.")
            return None
        return value

    def choice(self, key: str, choices: Sequence[str], *, required: bool = False) -> str | None:
        """Return one of a few words."""
        value = self.text(key, required=required)
        if value is not None and value not in choices:
            self.add(key, "unknown_value", f"“{value}” is not one of {', '.join(choices)}.")
            return None
        return value

    def texts(self, key: str) -> tuple[tuple[str, str], ...]:
        """Return (pointer, text) of one text or a list of texts; empty where the key is absent."""
        value = self.take(key)
        if key not in self._raw:
            return ()
        if isinstance(value, str) and value:
            return ((self.at(key), value),)
        if not isinstance(value, list) or not value:
            self.add(key, "wrong_type", f"Expected a text or a list of texts, found {_kind(value)}.")
            return ()
        found = []
        for index, item in enumerate(value):
            where = join(self.at(key), index)
            if isinstance(item, str) and item:
                found.append((where, item))
            else:
                self.problems.add(where, "wrong_type", f"Expected text, found {_kind(item)}.")
        return tuple(found)

    def slugs(self, key: str) -> tuple[str, ...]:
        """Return one slug or a list of slugs, as written."""
        found = self.texts(key)
        for where, text in found:
            if SLUG.fullmatch(text) is None:
                self.problems.add(where, "invalid_name", f"“{text}” is not a slug (a-z, 0-9, - and _).")
        return tuple(text for _, text in found)

    def integer(self, key: str, *, required: bool = False, least: int = 1) -> int | None:
        """Return a whole number of at least `least` and at most 2^53−1."""
        value = self.take(key, required=required)
        if key not in self._raw:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.add(key, "wrong_type", f"Expected a whole number, found {_kind(value)}.")
            return None
        if not least <= value <= 2**53 - 1:
            self.add(key, "out_of_range", f"Expected at least {least} and at most 2^53−1, found {value}.")
            return None
        return value

    def duration(self, key: str, *, required: bool = False) -> int | None:
        """Return a duration in seconds."""
        value = self.text(key, required=required)
        if value is None:
            return None
        try:
            return duration_seconds(value)
        except ValueError as error:
            self.add(key, "invalid_duration", str(error))
            return None

    def section(self, key: str) -> Section | None:
        """Return the mapping below a key, None where it is absent."""
        value = self.take(key)
        return Section(self.problems, self.at(key), value) if key in self._raw else None

    def items(self, key: str) -> list[object]:
        """Return the list below a key; empty where it is absent."""
        value = self.take(key)
        if key not in self._raw:
            return []
        if not isinstance(value, list):
            self.add(key, "wrong_type", f"Expected a list, found {_kind(value)}.")
            return []
        return value

    def close(self) -> None:
        """Note every key that nothing has asked for."""
        for key in self.names():
            if key not in self._taken:
                known = ", ".join(sorted(str(name) for name in self._taken))
                self.add(key, "unknown_field", f"“{key}” is not known here; known are {known}.")


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "keys and values"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        return "text" if value else "empty text"
    return f"{value!r:.40}"
