"""Domains that could be taken for a known one (pure).

Two domains look alike where their skeletons are equal, or where one or two edits (a letter more,
less, another or swapped) make one of the other. The skeleton follows the idea of Unicode TR 39:
every character is replaced by the plain one that it is drawn like. The table holds the Latin,
Greek and Cyrillic letters, digits and pairs that are drawn alike in common fonts; it is not the
whole of TR 39's data.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import idna

MOST_EDITS: Final = 2
# In names this short, two edits make almost any other name.
_SHORT: Final = 5

_DRAWN_ALIKE: Final = {
    "a": "аạąαɑ", "b": "ЬƄ", "c": "сϲⅽ", "d": "ԁⅾɗ", "e": "еҽєẹ", "f": "ƒ", "g": "ɡց", "h": "һ", "i": "іıɩιⅰ",
    "j": "јϳ", "k": "κкⲕ", "l": "1Іӏ|ⅼ", "m": "мⅿ", "n": "пո", "o": "0оοօσ", "p": "рρ", "q": "ԛգ", "r": "гᴦ",
    "s": "ѕꜱ", "t": "τт", "u": "υսц", "v": "νѵⅴ", "w": "ԝѡω", "x": "хχⅹ", "y": "уγʏ", "z": "ᴢ", "-": "‐‑–—",
}  # fmt: skip
_PLAIN: Final = {ord(twin): letter for letter, twins in _DRAWN_ALIKE.items() for twin in twins}
_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("nn", "m"))


@dataclass(frozen=True, slots=True)
class LookAlike:
    """A domain that looks like a known one.

    Attributes:
        known: the domain that it could be taken for.
        how: in words.
    """

    known: str
    how: str


def unicode_form(domain: str) -> str:
    """Return a domain as people would see it: its A-labels decoded; unchanged where they do not decode."""
    try:
        return idna.decode(domain)
    except (idna.IDNAError, UnicodeError):
        return domain


def skeleton(domain: str) -> str:
    """Return what a domain is drawn like, in plain letters."""
    text = unicodedata.normalize("NFKD", unicode_form(domain)).lower()
    text = "".join(character for character in text if not unicodedata.combining(character)).translate(_PLAIN)
    for pair, letter in _PAIRS:
        text = text.replace(pair, letter)
    return text


def look_alike(domain: str, known: Iterable[str]) -> LookAlike | None:
    """Return the known domain that a domain could be taken for; None for one that is known itself.

    Args:
        domain: in its A-label form.
        known: domains that are known, likewise; a known domain's subdomains are known as well.
    """
    names = sorted(set(known))
    if any(domain == name or domain.endswith(f".{name}") for name in names):
        return None
    drawn = skeleton(domain)
    for name in names:
        if drawn == skeleton(name):
            return LookAlike(name, "is drawn like it")
    for name in names:
        most = 1 if min(len(domain), len(name)) <= _SHORT else MOST_EDITS
        distance = edits(domain, name, most=most)
        if distance <= most:
            return LookAlike(name, "differs by one edit" if distance == 1 else f"differs by {distance} edits")
    return None


def edits(one: str, other: str, *, most: int) -> int:
    """Count the edits between two texts; more than `most` is told as ``most + 1``.

    An edit adds, drops or replaces a character, or swaps two neighbours (optimal string alignment).
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, right in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)
