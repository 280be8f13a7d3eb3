"""Where the values of a payload came from, as the asking agent says: JSON pointers → sources.

A claim is about the value at its pointer and all below it, unless a longer one is about that too. What
no claim is about counts as ``web``. A claim whose pointer leads nowhere says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from audit.canonical import MAX_DEPTH
from registry.pointers import EVERY, Pointer, parse_pointer

SOURCES: Final = ("operator", "user", "agent", "tool", "web")
UNSAID: Final = "web"
_ROOT: Final = Pointer("", ())


@dataclass(frozen=True, slots=True)
class Provenance:
    """A selector: some value came from one of these sources.

    Attributes:
        sources: of `SOURCES`.
        places: pointers, ``*`` for every element and member; the values at and below them are looked at.
    """

    sources: frozenset[str]
    places: tuple[Pointer, ...] = (_ROOT,)

    @property
    def matches_silence(self) -> bool:
        """Whether an agent that claimed nothing would be met as well."""
        return UNSAID in self.sources

    def matches(self, payload: object, told: Claims) -> bool:
        """Say whether a value at one of the places came from one of the sources.

        Args:
            payload: strictly parsed JSON.
            told: what the agent claims.
        """
        return not self.sources.isdisjoint(self.found(payload, told))

    def found(self, payload: object, told: Claims) -> set[str]:
        """Return the sources of every value at the places; empty where the payload has nothing there."""
        if not told.below and told.source is None:
            return {UNSAID} if any(_at(payload, place) for place in self.places) else set()
        found: set[str] = set()
        for place in self.places:
            for tokens, value in _at(payload, place):
                branch, source = told.along(tokens)
                _collect(value, branch, source, found)
        return found


def _at(payload: object, place: Pointer) -> list[tuple[tuple[str, ...], object]]:
    """Return what stands at a place; a step that leads nowhere from one value does not end the others."""
    found: list[tuple[tuple[str, ...], object]] = [((), payload)]
    for token in place.tokens:
        reached = []
        for tokens, value in found:
            children = _children(value)
            if token == EVERY:
                reached += [((*tokens, key), child) for key, child in children.items()]
            elif token in children:
                reached.append(((*tokens, token), children[token]))
        found = reached
    return found


class Claims:
    """Claims as a tree of reference tokens: planted once for an action, however many rules ask."""

    __slots__ = ("below", "source")

    def __init__(self) -> None:
        self.source: str | None = None
        self.below: dict[str, Claims] = {}

    @classmethod
    def of(cls, claims: Mapping[str, str]) -> Claims:
        """Plant the tree of JSON pointer → source; what is no pointer is left out: its value counts as unsaid."""
        root = cls()
        for text, source in claims.items():
            if text.count("/") > MAX_DEPTH:
                continue  # deeper than any payload: it leads nowhere
            try:
                tokens = parse_pointer(text).tokens if text else ()
            except ValueError:
                continue
            node = root
            for token in tokens:
                node = node.below.setdefault(token, cls())
            node.source = source
        return root

    def along(self, tokens: tuple[str, ...]) -> tuple[Claims | None, str]:
        """Return the branch at a place, None where no claim is about it or below, and the source it inherits."""
        node: Claims | None = self
        source = self.source or UNSAID
        for token in tokens:
            node = node.below.get(token) if node is not None else None
            if node is not None and node.source is not None:
                source = node.source
        return node, source


def _collect(value: object, branch: Claims | None, source: str, found: set[str]) -> None:
    """Add the sources of all values from here on; the payload's depth is bounded (`audit.canonical`)."""
    if branch is None or not branch.below:
        found.add(source)
        return
    children = _children(value)
    claimed = [(children[token], claim) for token, claim in branch.below.items() if token in children]
    if len(claimed) < len(children) or not children:
        found.add(source)
    for child, claim in claimed:
        _collect(child, claim, claim.source or source, found)


def _children(value: object) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}
    return {}
