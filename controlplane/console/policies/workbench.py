"""The editor's one document: the YAML, and forms over its parts (it reads the database, and writes nothing).

Whatever a person does is a word posted with the whole text: the text is read, the open form is laid over its
part, and the new text, its sentences, its tests and its defects come back. So forms and YAML cannot differ,
and nothing is kept before the draft is saved.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from audit.canonical import check
from audit.refusals import Invalid, Problem
from controlplane.apply.problems import DocumentRefused, Lines, Located, located
from controlplane.console.policies.offers import Offers
from controlplane.console.policies.outline import Judge, Outline, outline
from controlplane.console.policies.places import Place, read_place
from controlplane.console.policies.sentences import said
from controlplane.console.policies.sheet_table import POLICY, RULES, TESTS, first_body, groups_of, order_of
from controlplane.console.policies.sheets import (
    Field,
    Group,
    Shown,
    Values,
    field_of,
    merge,
    plain,
    read_sheet,
    show,
    tidy,
)

# Words that leave the open form open.
_STAY: Final = frozenset({"look", "yaml", "save"})
# Words that throw away what stands in the open form, or read it anew from the text.
_READ_ANEW: Final = frozenset({"close", "yaml", "start"})
_SLUG: Final = plain("slug", Field("slug", "Name of the policy", help="Short, a-z and 0-9. Limits count by it."))


@dataclass(frozen=True, slots=True)
class Sheet:
    """The open form.

    Attributes:
        kind: of the rule; empty for what is no rule.
        was: what its fields were read from, as JSON: what the person did not change stays as it stands in the text.
        said: the sentence; empty where it cannot be told.
        errors: what is wrong and belongs to no field.
        name: of the rule; empty for what is no rule.
    """

    place: Place
    kind: str
    was: str
    fields: tuple[Shown, ...]
    said: str
    errors: tuple[str, ...]
    name: str

    @property
    def broken(self) -> bool:
        """Whether it cannot be laid over the document as it stands."""
        return bool(self.errors) or any(each.error for each in self.fields)


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that the editor shows.

    Attributes:
        text: the document.
        defects: with their lines.
        sheet: the open form, if one is.
        refused: whether the open form could not be laid over the document.
    """

    text: str
    defects: tuple[Located, ...]
    outline: Outline
    sheet: Sheet | None
    refused: bool


@dataclass(slots=True)
class _Open:
    """A form while it is worked on: ``item`` is the part as it is posted or read, ``{kind: {…}}`` for a rule."""

    place: Place
    item: dict[str, Any]
    posted: Values | None = None
    errors: dict[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def work(text: str, *, act: str, given: Mapping[str, Any], offers: Offers, judge: Judge) -> Bench:
    """Do one thing.

    Args:
        text: the document.
        act: a word, and for some a place: ``look``, ``apply``, ``close``, ``yaml``, ``save``, ``open PLACE``,
            ``add PLACE KIND``, ``drop PLACE``, ``up PLACE``, ``down PLACE``, ``remove PLACE``. Others read only.
        given: what was posted; the open form's fields begin with ``f-``.
        offers: what exists.
        judge: reads and runs a whole document.
    """
    word, _, rest = act.partition(" ")
    value, lines, defects = _read(text, judge)
    opened = _opened(given, offers)
    if value is None:
        # The form waits until the text can be read again.
        return Bench(text, defects, outline({}, judge), _sheet(opened, offers) if opened else None, opened is not None)
    refused = False
    if opened is not None and word not in _READ_ANEW:
        candidate = _laid(opened, value, offers, judge)
        refused = candidate is None
        if candidate is not None:
            value, text, lines = _changed(value, candidate, text, lines, judge)
    if not refused:
        if opened is not None and (word not in _STAY or word == "yaml"):
            opened = _from(opened.place, value) if word == "yaml" else None
        done, opened = _done(word, rest, value, opened, offers)
        value, text, lines = _changed(value, done, text, lines, judge)
    problems = judge.problems(value)
    if opened is not None and not refused and opened.place.index is not None:
        opened.problems = tuple(each for each in problems if _within(each.pointer, opened.place.pointer))
    found = located(problems, lines).located if problems else ()
    return Bench(text, found, outline(value, judge), _sheet(opened, offers) if opened else None, refused)


def _read(text: str, judge: Judge) -> tuple[dict[str, Any] | None, Lines, tuple[Located, ...]]:
    if not text.strip():
        return {}, {}, ()
    try:
        loaded = judge.load(text)
    except DocumentRefused as refusal:
        return None, {}, refusal.located
    if loaded.value is None:
        return {}, {}, ()
    if not isinstance(loaded.value, dict):
        return None, {}, (Located(1, "/", "Write policies by their names."),)
    return loaded.value, loaded.lines, ()


def _changed(
    before: dict[str, Any], after: dict[str, Any], text: str, lines: Lines, judge: Judge
) -> tuple[dict[str, Any], str, Lines]:
    """Write the document anew only where it says something else: whoever only looks keeps their comments."""
    # Python takes 1 for True; JSON does not.
    if before is after or json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True):
        return before, text, lines
    text = judge.dump(after)
    return after, text, judge.load(text).lines if after else {}


def _opened(given: Mapping[str, Any], offers: Offers) -> _Open | None:
    place = read_place(str(given.get("open", "")))
    if place is None:
        return None
    try:
        item = json.loads(str(given.get("was", "")))
    except (ValueError, RecursionError):
        return None
    if not isinstance(item, dict):
        return None
    opened = _Open(place, item)
    kind, _ = _split(place, item)
    posted = {}
    for group in groups_of(place.part, kind, offers):
        for each in group.fields:
            name = f"f-{each.name}"
            many = tuple(given.getlist(name)) if hasattr(given, "getlist") else ()
            posted[each.name] = tidy(many if each.shape == "checks" else str(given.get(name, "")))
    if place.part == POLICY and not place.policy:
        posted["slug"] = tidy(str(given.get("f-slug", "")))
    opened.posted = posted
    return opened


def _split(place: Place, item: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return kind and body of a part."""
    if place.part != RULES:
        return "", dict(item)
    kind = next(iter(item), "")
    body = item.get(kind)
    return kind, dict(body) if isinstance(body, Mapping) else {}


def _at(place: Place, value: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the part that stands at a place."""
    policy = value.get(place.policy)
    if not isinstance(policy, dict):
        return None
    if place.part == POLICY:
        return policy
    items = policy.get(place.part)
    if not isinstance(items, list) or place.index is None or place.index >= len(items):
        return None
    return items[place.index] if isinstance(items[place.index], dict) else None


def _from(place: Place, value: Mapping[str, Any]) -> _Open | None:
    item = _at(place, value)
    return None if item is None else _Open(place, copy.deepcopy(item))


def _laid(opened: _Open, value: dict[str, Any], offers: Offers, judge: Judge) -> dict[str, Any] | None:
    """Lay a form over the document.

    Returns:
        The new document; None where the form has a defect, which is noted in it.
    """
    place = opened.place
    kind, was = _split(place, opened.item)
    groups = groups_of(place.part, kind, offers)
    is_new = place.index is None and not (place.part == POLICY and place.policy)
    present = opened.item if is_new else _at(place, value)
    if present is None or _split(place, present)[0] != kind or not groups:
        opened.problems = (Problem("", "gone", "It is not in the document any more; close the form."),)
        return None
    posted = opened.posted or {}
    body, opened.errors = merge(
        groups, _split(place, present)[1], was=read_sheet(groups, was), posted=posted, order=order_of(place.part, kind)
    )
    item = {kind: body} if place.part == RULES else body
    if opened.errors:
        return None
    candidate = copy.deepcopy(value)
    place = _put(candidate, place, item, str(posted.get("slug", "")))
    if is_new and place.part == POLICY and (not place.policy or place.policy in value):
        opened.errors["slug"] = "Another policy has this name." if place.policy else "A policy needs a name."
        return None
    problems = _wrong(candidate, judge)
    mine = tuple(each for each in problems if _within(each.pointer, place.pointer) and _own(place, each.pointer))
    if mine or any(each.pointer == "/" for each in problems):
        opened.problems = mine or tuple(problems)
        opened.errors = _by_field(opened.problems, place, groups)
        opened.problems = tuple(each for each in opened.problems if not _field(each, place, groups))
        return None
    opened.place, opened.item, opened.posted = place, item, None
    return candidate


def _put(candidate: dict[str, Any], place: Place, item: dict[str, Any], slug: str) -> Place:
    if place.part == POLICY:
        policy = place.policy or slug
        if place.policy or policy not in candidate:
            candidate[policy] = item
        return Place(policy, POLICY, None)
    items = candidate[place.policy].setdefault(place.part, []) if isinstance(candidate.get(place.policy), dict) else []
    if not isinstance(items, list):
        return place
    if place.index is None:
        items.append(item)
        return Place(place.policy, place.part, len(items) - 1)
    items[place.index] = item
    return place


def _wrong(candidate: dict[str, Any], judge: Judge) -> tuple[Problem, ...]:
    """Return every defect of a document, of its bytes and secrets as well."""
    try:
        check(candidate)
        judge.load(judge.dump(candidate))
    except DocumentRefused as refusal:
        return tuple(refusal.errors)
    except Invalid as refusal:
        return tuple(refusal.errors)
    return judge.problems(candidate)


def _within(pointer: str, place: str) -> bool:
    return pointer == place or pointer.startswith(f"{place}/")


def _own(place: Place, pointer: str) -> bool:
    """Say whether a defect is the form's: a policy's form has neither rules nor tests."""
    rest = pointer.removeprefix(place.pointer)
    return place.part != POLICY or not rest.startswith(("/rules", "/tests"))


def _field(problem: Problem, place: Place, groups: Sequence[Group]) -> str:
    tokens = [each for each in problem.pointer.removeprefix(place.pointer).split("/") if each]
    skipped = tokens[1:] if place.part == RULES or tokens[:1] in (["action"], ["applies_to"]) else tokens
    return field_of(groups, skipped[0]) if skipped else ""


def _by_field(problems: tuple[Problem, ...], place: Place, groups: Sequence[Group]) -> dict[str, str]:
    found: dict[str, str] = {}
    for problem in problems:
        if name := _field(problem, place, groups):
            found[name] = f"{found[name]} {problem.detail}" if name in found else problem.detail
    return found


def _done(
    word: str, rest: str, value: dict[str, Any], opened: _Open | None, offers: Offers
) -> tuple[dict[str, Any], _Open | None]:
    """Do what a button says; what makes no sense does nothing."""
    where, _, kind = rest.partition(" ")
    place = read_place(where)
    if place is None:
        return value, opened
    if word == "open":
        return value, _from(place, value)
    if word == "add":
        return value, _new(place, kind, value, offers)
    if word not in {"drop", "up", "down"} or _at(place, value) is None:
        return value, opened
    value = copy.deepcopy(value)
    if place.part == POLICY:
        if word == "drop":
            del value[place.policy]
        return value, None
    items, index = value[place.policy][place.part], place.index or 0
    if word == "drop":
        del items[index]
        if not items and place.part == TESTS:
            del value[place.policy][TESTS]
    else:
        other = index + (1 if word == "down" else -1)
        if 0 <= other < len(items):
            items[index], items[other] = items[other], items[index]
    return value, None


def _new(place: Place, kind: str, value: dict[str, Any], offers: Offers) -> _Open | None:
    if place.part == POLICY:
        return _Open(Place("", POLICY, None), first_body(POLICY, "", (), offers))
    policy = value.get(place.policy)
    if not isinstance(policy, dict) or not groups_of(place.part, kind, offers):
        return None
    names = []
    rules = policy.get(RULES)
    for rule in rules if isinstance(rules, list) else ():
        body = next(iter(rule.values()), None) if isinstance(rule, dict) else None
        names.append(str(body.get("name")) if isinstance(body, dict) else "")
    body = first_body(place.part, kind, names, offers)
    return _Open(Place(place.policy, place.part, None), {kind: body} if place.part == RULES else body)


def _sheet(opened: _Open, offers: Offers) -> Sheet | None:
    place = opened.place
    kind, body = _split(place, opened.item)
    groups = groups_of(place.part, kind, offers)
    if not groups:
        return None
    values = read_sheet(groups, body) if opened.posted is None else dict(opened.posted)
    errors = opened.errors or _by_field(opened.problems, place, groups)
    rest = tuple(each.detail for each in opened.problems if not _field(each, place, groups))
    slug = place.part == POLICY and not place.policy
    fields = show((*((_SLUG,) if slug else ()), *groups), values, errors)
    sound = place.part == RULES and not errors and not rest and (opened.posted is None)
    name = str(body.get("name", "")) if place.part == RULES else ""
    told = said(kind, body) if sound and place.index is not None else ""
    return Sheet(place, kind, json.dumps(opened.item, ensure_ascii=False), fields, told, rest, name)
