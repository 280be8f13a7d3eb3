"""Reading a YAML document strictly: plain data, and the line on which everything stands.

Only what JSON can hold is admitted, written in one way: no anchors and aliases, no tags, no
merge keys, no key twice, and no bare word that YAML's versions read differently (``yes``,
``010``, ``18:00``). A bare date is text. A secret is refused: documents are kept, compared and
exported. Built from the parser's events, without recursion.

Two parsers give these events: libyaml's is twenty times as fast, PyYAML's own tells defects and their lines. So a
document is read by libyaml where that is installed, and anew by PyYAML's own once anything stands in it on which the
two may differ: whatever is refused, and the odd corners named at `_Doubtful`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from audit.canonical import MAX_DEPTH, MAX_INTEGER, MAX_NODES, check
from audit.refusals import Invalid, Problem
from controlplane.apply.problems import Lines, located
from controlplane.no_secrets import secrets_in
from registry.documents import join

MAX_CHARACTERS: Final = 1_048_576
# Each value's place is kept with its line.
_LONGEST_POINTER: Final = 2_000
DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_REAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+][0-9]+)?")
_WORDS: Final[dict[str, Any]] = {"": None, "~": None, "null": None, "true": True, "false": False}
_TEXT: Final = "tag:yaml.org,2002:str"
_STANDARD: Final = yaml.resolver.Resolver()
# Without the C library PyYAML has no such name.
_FAST: Final[type[Any] | None] = getattr(yaml, "CSafeLoader", None)
# Tabs, marks of byte order, what only some parsers count as ends of lines, and directives, which libyaml reads loosely.
_ODD: Final = re.compile("[\t\x85\u2028\u2029\ufeff]|^%", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document.

    Attributes:
        value: mappings, lists, text, integers, floats, booleans, None.
        lines: where its parts stand.
    """

    value: Any
    lines: Lines


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end is not read yet."""

    value: dict[str, Any] | list[Any]
    pointer: str
    key: str | None = None


class _Unreadable(Exception):
    """Reading cannot go on."""

    def __init__(self, pointer: str, code: str, detail: str) -> None:
        self.problem = Problem(pointer, code, detail)
        super().__init__(detail)


class _Doubtful(Exception):
    """The two parsers may differ on this: lines of empty values, what opens a block of text, ``?`` in a bare word."""


def load(text: str) -> Loaded:
    """Read a document.

    Args:
        text: YAML, at most 1 MiB of characters.

    Raises:
        DocumentRefused: with every defect and its line.
    """
    fast = _read_fast(text)
    return read_slowly(text) if fast is None else fast


def _read_fast(text: str) -> Loaded | None:
    """Read with libyaml; None where it is not there, or where PyYAML's own parser has to say what this is."""
    if _FAST is None or len(text) > MAX_CHARACTERS or _ODD.search(text):
        return None
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_FAST):
            if isinstance(event, yaml.ScalarEvent):
                _require_clear(event)
            builder.take(event)
            if builder.problems:
                return None
        if builder.documents == 0:
            return None
        check(builder.root)
    except (_Doubtful, _Unreadable, Invalid, yaml.YAMLError, UnicodeEncodeError):
        return None  # what is refused is told by the other parser
    return None if secrets_in(builder.root) else Loaded(builder.root, builder.lines)


def _require_clear(event: yaml.ScalarEvent) -> None:
    """Make libyaml's scalar one of PyYAML's own.

    Raises:
        _Doubtful: where the other parser may read something else.
    """
    event.style = event.style or None  # libyaml writes "" for none
    is_odd = event.style in {"|", ">"} if event.style else not event.value or "?" in event.value
    if is_odd:
        raise _Doubtful


def read_slowly(text: str) -> Loaded:
    """Read a document as `load` does, with PyYAML's own parser alone."""
    builder = _Builder()
    try:
        if len(text) > MAX_CHARACTERS:
            raise _Unreadable("", "too_large", f"A document has at most {MAX_CHARACTERS} characters.")
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
        if builder.documents == 0:
            raise _Unreadable("", "empty", "The document is empty.")
        check(builder.root)
        for pointer, problem in secrets_in(builder.root).items():
            builder.problems.append(problem)
            # The line of a name that is itself the secret is found by what may be told of it.
            builder.lines.setdefault(problem.pointer, builder.lines[pointer])
    except _Unreadable as error:
        builder.problems.append(error.problem)
    except Invalid as error:
        builder.problems.extend(error.errors)
    except yaml.reader.ReaderError as error:
        builder.fail(text.count("\n", 0, error.position) + 1, "A character that YAML does not admit.")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        builder.fail(mark.line + 1 if mark else 1, f"{error.problem or error.context}.")
    if builder.problems:
        raise located(builder.problems, builder.lines)
    return Loaded(builder.root, builder.lines)


@dataclass(slots=True)
class _Builder:
    """Makes a value of the parser's events."""

    root: Any = None
    lines: Lines = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    documents: int = 0
    values: int = 0
    _open: list[_Open] = field(default_factory=list)

    def fail(self, line: int, detail: str) -> None:
        """Note a defect that the parser found; it outranks where anything else stands."""
        self.lines["/"] = line
        self.problems.append(Problem("/", "not_yaml", detail))

    def take(self, event: yaml.Event) -> None:
        """Go on by one event."""
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise _Unreadable("", "several_documents", "One file holds one document.")
        elif isinstance(event, yaml.AliasEvent):
            self._place(event, Problem("", "not_admitted", "Aliases (*name) are not admitted."))
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            self._begin(event, {})
        elif isinstance(event, yaml.SequenceStartEvent):
            self._begin(event, [])
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._open.pop()

    def _begin(self, event: yaml.NodeEvent, value: dict[str, Any] | list[Any]) -> None:
        if self._awaits_key():
            raise _Unreadable(self._open[-1].pointer, "wrong_type", "A key must be text.")
        pointer = self._place(event, value)
        self._open.append(_Open(value, pointer))
        if len(self._open) > MAX_DEPTH:
            raise _Unreadable(pointer, "too_deep", f"At most {MAX_DEPTH} levels are admitted.")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        is_plain = event.style is None
        value = _plain(event.value) if is_plain else event.value
        if not self._awaits_key():
            self._place(event, value)
            return
        parent = self._open[-1]
        pointer = join(parent.pointer, event.value)
        if len(pointer) > _LONGEST_POINTER:
            detail = f"A key and those around it have at most {_LONGEST_POINTER} characters together."
            raise _Unreadable(parent.pointer, "too_long", detail)
        if not isinstance(value, str):
            self.problems.append(Problem(pointer, "wrong_type", f"A key must be text; quote “{event.value}”."))
        elif event.value in parent.value:
            self.problems.append(Problem(pointer, "duplicate_key", f"“{event.value}” stands twice."))
        self._mark(event, pointer)
        parent.key = event.value

    def _place(self, event: yaml.NodeEvent, value: Any) -> str:
        """Put a value, or nothing in place of a defect, where it belongs; return its pointer."""
        if self._awaits_key():
            raise _Unreadable(self._open[-1].pointer, "wrong_type", "A key must be text.")
        self.values += 1
        if self.values > MAX_NODES:
            raise _Unreadable("", "too_many_nodes", f"At most {MAX_NODES} values are admitted.")
        defect = value if isinstance(value, Problem) else None
        value = None if defect else value
        pointer = ""
        if not self._open:
            self.root = value
        else:
            parent = self._open[-1]
            if isinstance(parent.value, list):
                pointer = join(parent.pointer, len(parent.value))
                parent.value.append(value)
            else:
                pointer = join(parent.pointer, parent.key or "")
                parent.value[parent.key or ""] = value
                parent.key = None
        self._mark(event, pointer)
        if defect:
            self.problems.append(Problem(pointer, defect.code, defect.detail))
        return pointer

    def _mark(self, event: yaml.NodeEvent, pointer: str) -> None:
        # A key's line stays the line of its value, which may begin on the next one.
        self.lines.setdefault(pointer, event.start_mark.line + 1 if event.start_mark else 1)
        if getattr(event, "anchor", None) and not isinstance(event, yaml.AliasEvent):
            self.problems.append(Problem(pointer, "not_admitted", "Anchors (&name) are not admitted."))
        if getattr(event, "tag", None):
            self.problems.append(Problem(pointer, "not_admitted", "Tags (!name) are not admitted."))

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None


def _plain(text: str) -> Any:
    """Read a bare word; a `Problem` where it is not clear what it is."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        if len(text) <= 17 and abs(int(text)) <= MAX_INTEGER:
            return int(text)
        return Problem("", "number_out_of_range", "Numbers lie within ±(2^53−1); quote longer ones.")
    if _REAL.fullmatch(text):
        return float(text)
    standard = _STANDARD.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # its stubs
    if standard == _TEXT or DATE.fullmatch(text):
        return text
    return Problem("", "not_admitted", f"Quote “{text}”: YAML's versions do not agree on what it is.")
