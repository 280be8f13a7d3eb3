"""Forms over a part of a policy document: read from it, posted back, merged without touching the rest (pure).

A sheet is a list of groups; each stands for one key of the document, or for a few that belong together.
What the document's own reader finds wrong is shown at the group of its key, so that a form knows no rules
of its own: text that is no number goes into the document as text, and the reader says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from audit.canonical import loads
from audit.refusals import Refusal

Value = str | tuple[str, ...]
Values = Mapping[str, Value]
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})")
_COMMAS: Final = re.compile(r"[,\n]")


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        name: in the form.
        shape: ``text``, ``area``, ``code``, ``pick``, ``checks``.
        options: of a pick or of checks: value and words.
        suggestions: what may be typed, among others.
    """

    name: str
    label: str
    shape: str = "text"
    help: str = ""
    options: tuple[tuple[str, str], ...] = ()
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that write some keys together.

    Attributes:
        keys: which they write.
        read: what the fields hold of a mapping; it takes whatever stands there.
        write: the keys for what the fields hold; a ValueError is shown at the first field.
        inside: key of the mapping in which the keys stand; empty: in the part itself.
    """

    keys: tuple[str, ...]
    fields: tuple[Field, ...]
    read: Callable[[Mapping[str, Any]], dict[str, Value]]
    write: Callable[[Values], dict[str, Any]]
    inside: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A field as the page draws it.

    Attributes:
        choices: value, words, whether chosen.
        error: what is wrong, at the first field of a group.
    """

    field: Field
    value: Value
    choices: tuple[tuple[str, str, bool], ...]
    error: str


def texts_of(raw: object) -> tuple[str, ...]:
    """Return what stands where one or several texts are expected."""
    if raw is None or raw == "":
        return ()
    items = raw if isinstance(raw, list | tuple) else [raw]
    return tuple(_text(item) for item in items)


def _text(raw: object) -> str:
    return raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)


def one_or_more(items: Sequence[str]) -> Any:
    """Return one text bare, several as a list."""
    return items[0] if len(items) == 1 else list(items)


def number(text: str) -> int | str:
    """Return a whole number; what is none stays text, and the document's reader says so."""
    return int(text) if _NUMBER.fullmatch(text) else text


def plain(key: str, field: Field, *, numeric: bool = False, inside: str = "") -> Group:
    """Return a group of one field that holds one text, or a whole number."""

    def read(body: Mapping[str, Any]) -> dict[str, Value]:
        return {field.name: "\n".join(texts_of(body.get(key)))}

    def write(values: Values) -> dict[str, Any]:
        text = str(values[field.name])
        return {key: number(text) if numeric else text} if text else {}

    return Group((key,), (field,), read, write, inside)


def several(key: str, field: Field, *, by_line: bool = False, inside: str = "", always_list: bool = False) -> Group:
    """Return a group of one field that holds texts: ticked, or divided by commas or lines."""

    def read(body: Mapping[str, Any]) -> dict[str, Value]:
        found = texts_of(body.get(key))
        return {
            field.name: tuple(sorted(found)) if field.shape == "checks" else ("\n" if by_line else ", ").join(found)
        }

    def write(values: Values) -> dict[str, Any]:
        items = split(values[field.name], by_line=by_line)
        return {key: items if always_list else one_or_more(items)} if items else {}

    return Group((key,), (field,), read, write, inside)


def split(value: Value, *, by_line: bool = False) -> list[str]:
    """Return the texts that a field holds."""
    if isinstance(value, tuple):
        return list(value)
    parts = value.split("\n") if by_line else _COMMAS.split(value)
    return [part.strip() for part in parts if part.strip()]


def as_json(key: str, field: Field, *, inside: str = "") -> Group:
    """Return a group of one field that holds JSON."""

    def read(body: Mapping[str, Any]) -> dict[str, Value]:
        return {field.name: json.dumps(body[key], ensure_ascii=False) if key in body else ""}

    def write(values: Values) -> dict[str, Any]:
        text = str(values[field.name])
        if not text:
            return {}
        try:
            return {key: loads(text.encode("utf-8", "surrogatepass"))}
        except Refusal as refusal:
            raise ValueError(refusal.detail) from refusal

    return Group((key,), (field,), read, write, inside)


def read_sheet(groups: Sequence[Group], part: Mapping[str, Any]) -> dict[str, Value]:
    """Return what the fields hold of a part of the document."""
    found: dict[str, Value] = {}
    for group in groups:
        found.update(group.read(_place(group, part)))
    return {name: tidy(value) for name, value in found.items()}


def _place(group: Group, part: Mapping[str, Any]) -> Mapping[str, Any]:
    place = part.get(group.inside) if group.inside else part
    return place if isinstance(place, Mapping) else {}


def tidy(value: Value) -> Value:
    """Return a value as it comes back from a browser."""
    if isinstance(value, tuple):
        return tuple(sorted(value))
    return value.replace("\r\n", "\n").strip()


def merge(
    groups: Sequence[Group], part: Mapping[str, Any], *, was: Values, posted: Values, order: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, str]]:
    """Write what was changed in a form into a part of the document; everything else stays as it stands there.

    Args:
        groups: of the form.
        part: as it stands in the document now.
        was: what the form held when it was shown.
        posted: what it holds.
        order: of the keys that are written.

    Returns:
        The new part, and what is wrong by the name of a field.
    """
    found, errors = dict(part), {}
    for group in groups:
        if all(posted.get(each.name, "") == was.get(each.name, "") for each in group.fields):
            continue
        try:
            written = group.write({each.name: posted.get(each.name, "") for each in group.fields})
        except ValueError as error:
            errors[group.fields[0].name] = str(error)
            continue
        place = dict(_place(group, found)) if group.inside else found
        for key in group.keys:
            place.pop(key, None)
        place.update(written)
        if group.inside:
            found[group.inside] = place
            if not place:
                del found[group.inside]
    ranks = {key: rank for rank, key in enumerate(order)}
    return {key: found[key] for key in sorted(found, key=lambda key: ranks.get(key, len(ranks)))}, errors


def show(groups: Sequence[Group], values: Values, errors: Mapping[str, str]) -> tuple[Shown, ...]:
    """Return the fields to draw; a value that nothing offers is offered, so that it is not lost."""
    found = []
    for field in (each for group in groups for each in group.fields):
        value = values.get(field.name, "")
        held = value if isinstance(value, tuple) else (value,)
        known = {option for option, _ in field.options}
        options = (*field.options, *((each, each) for each in held if each and each not in known))
        choices = tuple((option, words, option in held) for option, words in options)
        found.append(Shown(field, value, choices, errors.get(field.name, "")))
    return tuple(found)


def field_of(groups: Sequence[Group], key: str) -> str:
    """Return the field at which a key's defect is shown; empty: at none."""
    return next((group.fields[0].name for group in groups if key in group.keys), "")
