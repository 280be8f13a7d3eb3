"""The verb catalogue: what each verb is, and where its facts stand in a payload.

Agents describe their own actions, so nothing they say may loosen anything. Where a verb's entry
has a pointer, what the pointer extracts counts, and a declared value that disagrees is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol

from registry.amounts import AmountInvalid, Money, parse_money
from registry.documents import SLUG, DocumentInvalid, Problems, Section, join
from registry.pointers import NoTarget, Pointer, parse_pointer, targets
from registry.tools import UNMAPPED, Tool, by_tool, read_tools

__all__ = [
    "CAPABILITIES",
    "Declaration",
    "DocumentInvalid",
    "Extracted",
    "Mismatch",
    "Money",
    "Pointer",
    "VerbSpec",
    "dump_verb",
    "extract",
    "parse_verb",
    "parse_verbs",
]

CAPABILITIES: Final = ("read", "write", "notify", "execute")
COUNT: Final = "count"
MAX_VERB_LENGTH: Final = 120
MAX_UNITS: Final = 2**53 - 1
_VERB: Final = re.compile(r"[a-z][a-z0-9_-]*(?:\.[a-z0-9][a-z0-9_-]*)*")
_KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class VerbSpec:
    """One entry of the catalogue.

    Attributes:
        name: dotted, such as ``email.send``.
        capability: one of `CAPABILITIES`.
        destination: where the destinations stand; None: the declared destination counts.
        destination_as: kind that the bare extracted values have (``email``); None: they are whole.
        units: where the number of things stands, ``"count"`` for the number of extracted
            destinations, None: the declared number counts.
        amount: where the money stands; None: the declared amount counts.
        data_classes: labels that every such action carries.
        tools: tools of agents' frameworks that stand for it.
        review: slug of the queue that looks at every such action, whatever policies allow; it permits
            what they leave open as well. None: the policies alone decide.
    """

    name: str
    capability: str
    destination: Pointer | None = None
    destination_as: str | None = None
    units: Pointer | str | None = None
    amount: Pointer | None = None
    data_classes: frozenset[str] = frozenset()
    tools: tuple[Tool, ...] = ()
    review: str | None = None


class Declaration(Protocol):
    """What `extract` reads of a declaration (`policies.facts.Declared` is one)."""

    @property
    def capability(self) -> str | None:
        """The capability that the agent named."""

    @property
    def units(self) -> int | None:
        """The number of things that the agent named."""

    @property
    def amount(self) -> Money | None:
        """The money that the agent named."""

    @property
    def payload(self) -> object:
        """The exact JSON that will be executed."""

    @property
    def data_classes(self) -> frozenset[str]:
        """The labels that the agent named."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What counts.

    Attributes:
        destinations: raw values in the payload's order, repetitions kept; None: the entry has no
            pointer, so that the declared destination counts.
        kind: kind of the bare values, see `VerbSpec.destination_as`.
        data_classes: declared ∪ catalogue.
    """

    capability: str
    destinations: tuple[str, ...] | None
    kind: str | None
    units: int
    amount: Money | None
    data_classes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The declaration does not fit the payload or the catalogue (``declaration_mismatch``).

    Attributes:
        pointer: JSON pointer into the request body.
        detail: one sentence for people.
    """

    pointer: str
    detail: str


class _Miss(Exception):
    def __init__(self, pointer: str, detail: str) -> None:
        self.mismatch = Mismatch(pointer, detail)
        super().__init__(detail)


def is_verb(text: str) -> bool:
    """Say whether a text can name a verb."""
    return len(text) <= MAX_VERB_LENGTH and _VERB.fullmatch(text) is not None


def parse_verbs(document: object, *, at: str = "") -> dict[str, VerbSpec]:
    """Read the ``verbs:`` part of a configuration document.

    Args:
        document: entries by verb name.
        at: pointer to it in the whole document.

    Raises:
        DocumentInvalid: with every defect and its pointer.
    """
    problems = Problems()
    section = Section(problems, at, document)
    found = {name: _read_verb(problems, join(at, name), name, section.take(name)) for name in section.names()}
    problems.raise_if_any()
    try:
        by_tool(found.values())
    except ValueError as error:
        problems.add(at, "duplicate_tool", str(error))
        problems.raise_if_any()
    return found


def parse_verb(name: str, document: object, *, at: str = "") -> VerbSpec:
    """Read one entry.

    Args:
        name: the verb.
        document: its mapping: capability, destination, units, amount, data_classes, tools, review.
        at: pointer to the mapping in the whole document.

    Raises:
        DocumentInvalid: with every defect and its pointer.
    """
    problems = Problems()
    spec = _read_verb(problems, at, name, document)
    problems.raise_if_any()
    return spec


def dump_verb(spec: VerbSpec) -> dict[str, object]:
    """Return the mapping that `parse_verb` reads; labels are sorted."""
    document: dict[str, object] = {"capability": spec.capability}
    if spec.destination is not None:
        kind = {} if spec.destination_as is None else {"as": spec.destination_as}
        document["destination"] = {"at": spec.destination.text, **kind}
    if spec.units is not None:
        document["units"] = spec.units if isinstance(spec.units, str) else {"at": spec.units.text}
    if spec.amount is not None:
        document["amount"] = {"at": spec.amount.text}
    if spec.data_classes:
        document["data_classes"] = sorted(spec.data_classes)
    if spec.tools:
        document["tools"] = [tool.as_document() for tool in spec.tools]
    if spec.review is not None:
        document["review"] = spec.review
    return document


def _read_verb(problems: Problems, at: str, name: str, document: object) -> VerbSpec:
    if not is_verb(name):
        problems.add(at, "invalid_name", "A verb is dotted lower-case words (≤ 120 characters): email.send.")
    section = Section(problems, at, document)
    capability = section.choice("capability", CAPABILITIES, required=True) or ""
    destination, kind = _read_destination(section)
    units = _read_units(section)
    if units == COUNT and destination is None:
        section.add("units", "unknown_value", "“count” counts destinations, so the verb needs a destination.")
    amount = _read_pointer(section.section("amount"), many=False)
    data_classes = frozenset(section.slugs("data_classes"))
    tools = read_tools(section)
    review = _read_review(section, name)
    if name == UNMAPPED and tools:
        section.add("tools", "unknown_value", f"{UNMAPPED} is for the tools that no verb names.")
    section.close()
    return VerbSpec(name, capability, destination, kind, units, amount, data_classes, tools, review)


def _read_review(section: Section, name: str) -> str | None:
    review = section.text("review", required=name == UNMAPPED)
    if review is not None and SLUG.fullmatch(review) is None:
        section.add("review", "invalid_name", f"“{review}” is not the slug of a queue.")
        return None
    return review


def _read_destination(parent: Section) -> tuple[Pointer | None, str | None]:
    section = parent.section("destination")
    if section is None:
        return None, None
    kind = section.text("as")
    if kind is not None and (_KIND.fullmatch(kind) is None or kind in {"http", "https"}):
        section.add("as", "invalid_name", "Write the kind of destination, such as email, account or slack.")
    return _read_pointer(section, many=True), kind


def _read_units(section: Section) -> Pointer | str | None:
    if not isinstance(section.take("units"), str):
        return _read_pointer(section.section("units"), many=False)
    return section.choice("units", (COUNT,))


def _read_pointer(section: Section | None, *, many: bool) -> Pointer | None:
    if section is None:
        return None
    text = section.text("at", required=True)
    section.close()
    if text is None:
        return None
    try:
        pointer = parse_pointer(text)
    except ValueError as error:
        section.add("at", "invalid_pointer", str(error))
        return None
    if pointer.is_pattern and not many:
        section.add("at", "invalid_pointer", "Only a destination may have * in its pointer.")
    return pointer


def extract(spec: VerbSpec, declared: Declaration) -> Extracted | Mismatch:
    """Find what counts in a declaration; destinations are compared by whoever can normalise them.

    Args:
        spec: the verb's entry.
        declared: what the agent said, already strictly parsed.

    Returns:
        What counts, or the first thing that does not fit: another capability, a pointer without
        target or with a target of another type, units or an amount other than the payload's.
    """
    if declared.capability is not None and declared.capability != spec.capability:
        return Mismatch("/capability", f"{spec.name} has the capability {spec.capability}.")
    try:
        destinations = None
        if spec.destination is not None:
            destinations = tuple(_texts(declared.payload, spec.destination))
        return Extracted(
            capability=spec.capability,
            destinations=destinations,
            kind=spec.destination_as,
            units=_units(spec, declared, destinations),
            amount=_amount(spec, declared),
            data_classes=declared.data_classes | spec.data_classes,
        )
    except _Miss as miss:
        return miss.mismatch


def _texts(payload: object, pointer: Pointer) -> list[str]:
    texts = []
    for where, value in _targets(payload, pointer):
        if not isinstance(value, str):
            raise _Miss(where, "A destination must be text.")
        texts.append(value)
    return texts


def _units(spec: VerbSpec, declared: Declaration, destinations: tuple[str, ...] | None) -> int:
    said = declared.units
    if said is not None and not _is_count(said):
        raise _Miss("/units", "Units are a whole number from 1.")
    if spec.units is None:
        return 1 if said is None else said
    if isinstance(spec.units, Pointer):
        where, found = _targets(declared.payload, spec.units)[0]
        if not isinstance(found, int) or not _is_count(found):
            raise _Miss(where, "Units are a whole number from 1.")
    else:
        found = len(destinations or ())
    if said is not None and said != found:
        raise _Miss("/units", f"{said} units were declared, the payload has {found}.")
    return found


def _amount(spec: VerbSpec, declared: Declaration) -> Money | None:
    if spec.amount is None:
        return declared.amount
    where, raw = _targets(declared.payload, spec.amount)[0]
    try:
        found = parse_money(raw)
    except AmountInvalid as error:
        raise _Miss(where + error.pointer, error.detail) from error
    if declared.amount is not None and declared.amount != found:
        raise _Miss("/amount", f"{declared.amount} was declared, the payload has {found}.")
    return found


def _is_count(value: object) -> bool:
    return type(value) is int and 1 <= value <= MAX_UNITS


def _targets(payload: object, pointer: Pointer) -> list[tuple[str, object]]:
    try:
        return targets(payload, pointer, at="/payload")
    except NoTarget as error:
        raise _Miss(error.pointer, f"The payload has nothing at {pointer.text}.") from error
