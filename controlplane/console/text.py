"""Making what agents wrote readable without believing it: hidden characters shown, JSON laid out (pure)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

# Categories whose characters show nothing, or change the order of what is shown: format, control,
# surrogate, private use, unassigned, line and paragraph separators.
_HIDDEN: Final = frozenset({"Cf", "Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
# Blanks that look like the blank but are not, and letters that are drawn as nothing.
_BLANKS: Final = frozenset(
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
_EMPTY: Final = frozenset(
    "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f\U00016fe4\U0001d159"
)
_PLAIN: Final = frozenset("\n\t")
_SHORT: Final = re.compile(r"[\x20-\x7e\n\t]*\Z")
INDENT: Final = "  "


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text.

    Attributes:
        text: the characters themselves, or ``U+202E`` for a hidden one.
        hidden: name of the hidden character, for example ``RIGHT-TO-LEFT OVERRIDE``; empty for what is seen as it is.
    """

    text: str
    hidden: str = ""


def is_hidden(character: str) -> bool:
    """Say whether a character is not seen as what it is."""
    if character in _PLAIN:
        return False
    is_variation = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return is_variation or character in _BLANKS or character in _EMPTY or unicodedata.category(character) in _HIDDEN


def segments(text: str) -> list[Segment]:
    """Cut text into what is seen as it is and what must be named."""
    if _SHORT.match(text):
        return [Segment(text)] if text else []
    found: list[Segment] = []
    plain: list[str] = []
    for character in text:
        if not is_hidden(character):
            plain.append(character)
            continue
        if plain:
            found.append(Segment("".join(plain)))
            plain = []
        name = unicodedata.name(character, "a character without a name")
        found.append(Segment(f"U+{ord(character):04X}", name))
    if plain:
        found.append(Segment("".join(plain)))
    return found


def named(text: str) -> str:
    """Return text whose hidden characters are named in place, for where no markup can stand: ``⟦U+202E⟧``."""
    return "".join(f"⟦{found.text}⟧" if found.hidden else found.text for found in segments(text))


def hidden_count(text: str) -> int:
    """Return how many characters of a text are hidden."""
    return 0 if _SHORT.match(text) else sum(is_hidden(character) for character in text)


def pretty(value: Any) -> str:
    """Lay JSON out in lines; numbers and text are written exactly as in the canonical form."""
    return "\n".join(_lines(value, "", ""))


def _lines(value: Any, indent: str, before: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        members: Iterable[tuple[str, Any]] = ((f"{_scalar(key)}: ", item) for key, item in value.items())
        yield from _nested(members, indent, before, "{}")
    elif isinstance(value, list) and value:
        yield from _nested((("", item) for item in value), indent, before, "[]")
    else:
        yield f"{indent}{before}{_scalar(value)}"


def _nested(members: Iterable[tuple[str, Any]], indent: str, before: str, brackets: str) -> Iterator[str]:
    yield f"{indent}{before}{brackets[0]}"
    waiting = list(members)
    for place, (name, item) in enumerate(waiting):
        inner = list(_lines(item, indent + INDENT, name))
        if place + 1 < len(waiting):
            inner[-1] += ","
        yield from inner
    yield f"{indent}{brackets[1]}"


def _scalar(value: Any) -> str:
    return rfc8785.dumps(value).decode()


def escaped(text: str) -> str:
    """Write the hidden characters of a JSON text as JSON escapes, so that an editor shows them."""
    return "".join(_escape(character) if is_hidden(character) else character for character in text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))
