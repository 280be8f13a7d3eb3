"""Reading one rule of a policy document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from audit.canonical import check
from audit.refusals import Invalid
from policies.conditions import Condition, ExpressionInvalid, read_condition
from policies.language.guards import read_limit, read_split
from policies.language.shapes import KINDS, Rule
from policies.language.windows import read_freeze, read_hours
from policies.obligations import MOST, Obligation, parse_obligation
from policies.provenance import SOURCES, Provenance
from policies.selectors import SelectorInvalid, Selectors, parse_destination_pattern, parse_verb_pattern
from registry.amounts import AmountInvalid, Money, parse_money
from registry.catalogue import CAPABILITIES
from registry.documents import SLUG, Problems, Section
from registry.pointers import Pointer, parse_pointer

_SELECTORS: Final = ("verb", "destination", "data_class", "capability", "amount_over", "provenance", "when")
# Keys of each kind, in the order in which they are written back.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "allow": ("name", *_SELECTORS, "batch", "obligations"),
    "review": ("name", *_SELECTORS, "batch", "queue", "obligations"),
    "forbid": ("name", *_SELECTORS),
    "limit": ("name", *_SELECTORS, "units", "per", "by"),
    "split": ("name", *_SELECTORS, "distinct", "sum", "max", "per", "by"),
    "hours": ("name", *_SELECTORS, "zone", "days", "from", "until", "holidays"),
    "freeze": ("name", *_SELECTORS, "zone", "from", "until"),
}
_PERMITTING: Final = frozenset({"allow", "review"})
_Pattern = TypeVar("_Pattern")


def read_rule(problems: Problems, pointer: str, raw: object) -> Rule | None:
    """Read ``{kind: {name: …, …}}``.

    Args:
        problems: where defects go.
        pointer: where the rule stands.
        raw: what stands there.

    Returns:
        None where not even kind and name can be told.
    """
    outer = Section(problems, pointer, raw)
    kinds = outer.names()
    if outer.broken:
        return None
    if len(kinds) != 1:
        problems.add(pointer, "wrong_type", f"A rule has exactly one kind: {', '.join(KINDS)}.")
        return None
    kind = kinds[0]
    if kind not in KINDS:
        outer.add(kind, "unknown_field", f"“{kind}” is not a kind of rule; known are {', '.join(KINDS)}.")
        return None
    section = Section(problems, outer.at(kind), outer.take(kind))
    return None if section.broken else _read(kind, section)


def _read(kind: str, section: Section) -> Rule | None:
    name = section.text("name", required=True)
    if name is not None and SLUG.fullmatch(name) is None:
        section.add("name", "invalid_name", f"“{name}” is not a slug (a-z, 0-9, - and _).")
    selectors = _selectors(kind, section)
    batch = section.integer("batch") if kind in _PERMITTING else None
    queue = section.text("queue", required=True) if kind == "review" else None
    limit = read_limit(section) if kind == "limit" else None
    split = read_split(section) if kind == "split" else None
    hours = read_hours(section) if kind == "hours" else None
    freeze = read_freeze(section) if kind == "freeze" else None
    obligations = _obligations(section) if kind in _PERMITTING else ()
    section.close()
    return None if name is None else Rule(kind, name, selectors, batch, queue, limit, hours, split, freeze, obligations)


def _selectors(kind: str, section: Section) -> Selectors:
    verbs = _patterns(section, "verb", parse_verb_pattern)
    destinations = _patterns(section, "destination", parse_destination_pattern)
    capabilities = section.texts("capability")
    for where, text in capabilities:
        if text not in CAPABILITIES:
            section.problems.add(where, "unknown_value", f"“{text}” is not one of {', '.join(CAPABILITIES)}.")
    return Selectors(
        verbs=verbs,
        destinations=destinations,
        data_classes=frozenset(section.slugs("data_class")),
        capabilities=frozenset(text for _, text in capabilities),
        amount_over=_amount_over(kind, section),
        provenance=_provenance(kind, section),
        when=_condition(section),
    )


def _patterns(section: Section, key: str, read: Callable[[str], _Pattern]) -> tuple[_Pattern, ...]:
    found = []
    for where, text in section.texts(key):
        try:
            found.append(read(text))
        except SelectorInvalid as error:
            section.problems.add(where, "invalid_pattern", str(error))
    return tuple(found)


def _amount_over(kind: str, section: Section) -> Money | None:
    raw = section.take("amount_over")
    if not section.has("amount_over"):
        return None
    if kind == "allow":
        # It would permit the large and not the small.
        section.add("amount_over", "not_here", "An allow has no amount_over; put it into a review or forbid.")
        return None
    try:
        return parse_money(raw)
    except AmountInvalid as error:
        section.problems.add(section.at("amount_over") + error.pointer, "invalid_amount", error.detail)
        return None


def _provenance(kind: str, section: Section) -> Provenance | None:
    """Read a source, a list of sources, or ``{at: pointers, from: sources}``."""
    raw = section.take("provenance")
    if not section.has("provenance"):
        return None
    if kind == "allow":
        # Only the agent says where its values came from, and what it says permits nothing.
        section.add("provenance", "not_here", "An allow has no provenance; put it into a review or forbid.")
        return None
    if not isinstance(raw, Mapping):
        return _from(section, "provenance", ())
    inner = Section(section.problems, section.at("provenance"), raw)
    if not inner.has("at"):
        inner.add("at", "missing", "“at” is required: one JSON pointer into the payload, or several.")
    places = []
    for where, text in inner.texts("at"):
        try:
            check(text)
            places.append(parse_pointer(text))
        except (ValueError, Invalid) as error:
            section.problems.add(where, "invalid_pointer", str(error))
    if not inner.has("from"):
        inner.add("from", "missing", "“from” is required: one source, or several.")
    found = _from(inner, "from", tuple(places))
    inner.close()
    return found if places else None


def _from(section: Section, key: str, places: tuple[Pointer, ...]) -> Provenance:
    sources = section.texts(key)
    for where, text in sources:
        if text not in SOURCES:
            section.problems.add(where, "unknown_value", f"“{text}” is not one of {', '.join(SOURCES)}.")
    named = frozenset(text for _, text in sources)
    return Provenance(named, places) if places else Provenance(named)


def _condition(section: Section) -> Condition | None:
    text = section.text("when")
    if text is None:
        return None
    try:
        return read_condition(text)
    except ExpressionInvalid as error:
        section.add("when", "invalid_condition", str(error))
        return None


def _obligations(section: Section) -> tuple[Obligation, ...]:
    found = []
    texts = section.texts("obligations")
    for where, text in texts:
        try:
            found.append(parse_obligation(text))
        except ValueError as error:
            section.problems.add(where, "unknown_value", str(error))
    if len(texts) > MOST:
        section.add("obligations", "out_of_range", f"A rule has at most {MOST} obligations.")
    return tuple(dict.fromkeys(found))
