"""Domains that could be taken for a known one (pure).

Two domains look alike where their skeletons are equal, or where one or two edits (a letter more,
less, another or swapped) make one of the other. The skeleton follows the idea of Unicode TR 39:
every character is replaced by the plain one that it is drawn like. The table holds the Latin,
Greek and Cyrillic letters, digits and pairs that are drawn alike in common fonts; it is not the
whole of TR 39's data.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import idna

MOST_EDITS: Final = 2
# In names this short, two edits make almost any other name.
_SHORT: Final = 5
# What is longer is no name that anything resolves.
_LONGEST: Final = 253

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


class Domains:
    """Domains that are known, laid out so that many thousand others are compared with them in time.

    Args:
        names: in their A-label form.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        ordered = sorted(self._names)
        self._drawn = {skeleton(name): name for name in reversed(ordered)}
        self._of_length: defaultdict[int, list[tuple[str, frozenset[str]]]] = defaultdict(list)
        for name in ordered:
            self._of_length[len(name)].append((name, frozenset(name)))

    def look_alike(self, domain: str) -> LookAlike | None:
        """Return the known domain that a domain could be taken for; None for one that is known itself.

        A known domain's subdomains are known as well.

        Args:
            domain: in its A-label form.
        """
        labels = domain.split(".")
        if len(domain) > _LONGEST or any(".".join(labels[place:]) in self._names for place in range(len(labels))):
            return None
        drawn = self._drawn.get(skeleton(domain))
        if drawn is not None:
            return LookAlike(drawn, "is drawn like it")
        distance, name = min(self._near(domain), default=(0, ""))
        if not distance:
            return None
        return LookAlike(name, "differs by one edit" if distance == 1 else f"differs by {distance} edits")

    def _near(self, domain: str) -> Iterator[tuple[int, str]]:
        letters = frozenset(domain)
        for length in range(len(domain) - MOST_EDITS, len(domain) + MOST_EDITS + 1):
            most = 1 if min(len(domain), length) <= _SHORT else MOST_EDITS
            for name, others in self._of_length.get(length, ()):
                # One edit changes two of the letters in use at most: most names are passed over by that alone.
                if len(letters ^ others) <= 2 * most and (distance := edits(domain, name, most=most)) <= most:
                    yield distance, name


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
