"""JSON in which every number keeps its own text, and where each member of the outermost object stands (pure)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import rfc8785

from audit.canonical import MAX_DEPTH, MAX_INTEGER
from audit.refusals import Malformed, invalid

# RFC 8785 writes no number longer than this.
_LONGEST: Final = 32
_LONGEST_COMPARED: Final = 400
_BLANK: Final = " \t\r\n"


class Number(str):
    """A number as it was written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the outermost object.

    Attributes:
        value: parsed; numbers are `Number`.
        text: its own text in the source.
    """

    value: Any
    text: str


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("A key stands twice in one object.")
    return found


def _constant(text: str) -> Any:
    raise Malformed(f"{text} is not a JSON number.")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=Number, parse_float=Number, parse_constant=_constant)


def read_members(raw: bytes) -> dict[str, Member]:
    """Read a JSON object.

    Args:
        raw: the bytes of the body, UTF-8.

    Raises:
        Malformed: not UTF-8, not JSON, a key twice, or nested too deep.
        Invalid: not an object.
    """
    try:
        source = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("The body is not valid UTF-8.") from error
    try:
        whole = _DECODER.decode(source)
        if not isinstance(whole, dict):
            raise invalid("", "type", "The body must be an object.")
        _require_shallow(whole)
        return _members(source)
    except RecursionError as error:
        raise Malformed("The body is nested too deep.") from error
    except ValueError as error:
        raise Malformed(f"The body is not valid JSON: {error}.") from error


def _require_shallow(root: Any) -> None:
    """Hold the body to the depth of every other; what comes after may then recurse."""
    stack = [(root, 1)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                raise Malformed(f"At most {MAX_DEPTH} levels are admitted.")
            stack.extend((item, depth + 1) for item in (value.values() if isinstance(value, dict) else value))


def _members(source: str) -> dict[str, Member]:
    """Find the members of an object that is known to be well formed."""
    found: dict[str, Member] = {}
    place = _past(source, source.index("{") + 1)
    while source[place] != "}":
        name, place = _DECODER.raw_decode(source, place)
        # Past the colon, and past the comma behind the value where there is one.
        place = _past(source, _past(source, place) + 1)
        start = place
        value, place = _DECODER.raw_decode(source, place)
        found[name] = Member(value, source[start:place])
        place = _past(source, place)
        if source[place] == ",":
            place = _past(source, place + 1)
    return found


def _past(source: str, place: int) -> int:
    while source[place] in _BLANK:
        place += 1
    return place


def canonical_view(value: Any) -> tuple[Any, bool]:
    """Return a value that RFC 8785 can write, for what compares and extracts.

    A number that RFC 8785 can write stays the same number; any other stands as its text, so that nothing
    is ever judged by a rounded value.

    Returns:
        The view, and whether each number's text is already the one that RFC 8785 writes.
    """
    if isinstance(value, Number):
        return _viewed(value)
    if isinstance(value, dict):
        views = {name: canonical_view(item) for name, item in value.items()}
        return {name: view for name, (view, _) in views.items()}, all(exact for _, exact in views.values())
    if isinstance(value, list):
        found = [canonical_view(item) for item in value]
        return [view for view, _ in found], all(exact for _, exact in found)
    return value, True


def _viewed(number: Number) -> tuple[Any, bool]:
    text = str(number)
    if len(text) > _LONGEST:
        return text, False
    value = float(text)
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        return text, False
    canonical = rfc8785.dumps(value).decode()
    if canonical == text:
        return json.loads(canonical), True
    return (json.loads(canonical) if _equal(canonical, text) else text), False


def same(one: Any, other: Any) -> bool:
    """Whether two parsed values are the same JSON value: numbers by value, and neither text nor truth values."""
    if isinstance(one, Number) or isinstance(other, Number):
        return isinstance(one, Number) and isinstance(other, Number) and _equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(item, other[name]) for name, item in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return type(one) is type(other) and bool(one == other)


def _equal(one: str, other: str) -> bool:
    if str(one) == str(other):
        return True
    if max(len(one), len(other)) > _LONGEST_COMPARED:
        return False
    try:
        return Decimal(str(one)) == Decimal(str(other))
    except InvalidOperation:
        return False
