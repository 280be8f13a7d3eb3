"""What a rule selects: verbs, destinations, data classes, capabilities, amounts, provenance, conditions.

Selectors of one rule are ANDed, values of one selector ORed. Nothing matches by substring: a
pattern is a normalised text with a star in few admitted places.

Verbs: ``*`` is exactly one segment, a final ``**`` one or more: ``email.**`` matches
``email.send`` and ``email.a.b``, not ``email``.

Destinations: ``https://host/path`` with a leading ``*.`` of the host (subdomains at any depth, not
the domain itself) and a final ``/*`` of the path (all that follows, also nothing; ``/v1/*`` is
not ``/v1``). Scheme and port must be equal. A query is not looked at. ``kind:*`` is every
destination of a kind, ``email:*@host`` every address there, ``kind:first/*`` any last part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from policies.conditions import Condition
from policies.destinations import Destination, DestinationInvalid, check_destination, normal_path, split_url
from policies.hosts import normal_host
from policies.provenance import Provenance
from registry.amounts import Money
from registry.catalogue import MAX_VERB_LENGTH

ONE: Final = "*"
REST: Final = "**"
_SEGMENT: Final = re.compile(r"[a-z0-9][a-z0-9_-]*|\*")
_KIND: Final = re.compile(r"[a-z][a-z0-9+.-]{0,31}")


class SelectorInvalid(ValueError):
    """A pattern is not of an admitted form; the text says why."""


@dataclass(frozen=True, slots=True)
class VerbPattern:
    """A pattern of verbs.

    Attributes:
        text: as written.
        segments: without a final ``**``.
        rest: whether ``**`` follows.
    """

    text: str
    segments: tuple[str, ...]
    rest: bool

    @property
    def exact(self) -> bool:
        """Whether it is one verb."""
        return not self.rest and ONE not in self.segments

    def matches(self, verb: str) -> bool:
        """Say whether a verb is of this pattern."""
        parts = verb.split(".")
        if self.rest:
            if len(parts) <= len(self.segments):
                return False
        elif len(parts) != len(self.segments):
            return False
        return all(mine in {ONE, part} for mine, part in zip(self.segments, parts, strict=False))


@dataclass(frozen=True, slots=True)
class DestinationPattern:
    """A pattern of destinations.

    A destination knows every head and every trail that match it, so that matching is looking up,
    and rules can be found by head and trail instead of being tried one by one.

    Attributes:
        text: as written.
        head: scheme, host and port, or the whole pattern where it is not a URL.
        trail: the path, or empty.
    """

    text: str
    head: str
    trail: str

    def matches(self, destination: Destination) -> bool:
        """Say whether a destination is of this pattern."""
        return self.head in destination.heads and self.trail in destination.trails


@dataclass(frozen=True, slots=True)
class Selectors:
    """The selectors of one rule; an empty one selects everything."""

    verbs: tuple[VerbPattern, ...] = ()
    destinations: tuple[DestinationPattern, ...] = ()
    data_classes: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()
    amount_over: Money | None = None
    provenance: Provenance | None = None
    when: Condition | None = None


def parse_verb_pattern(text: str) -> VerbPattern:
    """Read a verb pattern.

    Raises:
        SelectorInvalid: ``*`` inside a segment, ``**`` before the end, or no verb.
    """
    *before, last = text.split(".")
    segments = before if last == REST else [*before, last]
    if len(text) > MAX_VERB_LENGTH or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        message = "Write a verb, with * for one whole segment and ** only at the end: email.send, email.**."
        raise SelectorInvalid(message)
    return VerbPattern(text, tuple(segments), last == REST)


def parse_destination_pattern(text: str) -> DestinationPattern:
    """Read a destination pattern.

    Raises:
        SelectorInvalid: a star where none is admitted, or not a destination.
    """
    kind, colon, value = text.partition(":")
    kind = kind.lower()
    if not colon or _KIND.fullmatch(kind) is None:
        message = "Write https://host/path or kind:value; leave the selector out for every destination."
        raise SelectorInvalid(message)
    try:
        if kind in {"http", "https"}:
            return _url_pattern(text, kind, value)
        return DestinationPattern(text, _head(kind, value), "")
    except DestinationInvalid as error:
        raise SelectorInvalid(error.detail) from error


def _url_pattern(text: str, kind: str, value: str) -> DestinationPattern:
    head, path, query = split_url(kind, value, wildcard=True)
    stem = path.removesuffix("*")
    if query is not None or ONE in stem or (path != stem and not stem.endswith("/")):
        message = "A URL pattern has one * at most, after the last slash of the path, and no query."
        raise SelectorInvalid(message)
    # Probing with a segment in the star's place checks and normalises what stands before it.
    if path == stem:
        return DestinationPattern(text, head, normal_path(path))
    return DestinationPattern(text, head, normal_path(f"{stem}x").removesuffix("x") + ONE)


def _head(kind: str, value: str) -> str:
    if value == ONE:
        return f"{kind}:*"
    if kind == "email" and value.startswith("*@"):
        return f"email:*@{normal_host(value.removeprefix('*@'))}"
    if value.endswith("/*"):
        return check_destination(f"{kind}:{value.removesuffix('*')}x").identity.removesuffix("x") + ONE
    return check_destination(f"{kind}:{value}").identity


def is_over(threshold: Money, amount: Money | None) -> bool:
    """Say whether an amount is over a threshold; another currency cannot be shown to be under, so it is.

    Args:
        threshold: the rule's.
        amount: the action's; none is not over.
    """
    if amount is None:
        return False
    return amount.currency != threshold.currency or amount.value > threshold.value
