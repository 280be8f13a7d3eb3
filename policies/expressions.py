"""Reading an expression symbol by symbol: what it may name, and what would cost too much.

The library parses and evaluates; it tells nothing of the tree that it made. So this reads the text itself, admits
only what it knows, and refuses the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from audit.canonical import check
from audit.refusals import Invalid

MAX_TEXT: Final = 1_000
MAX_SYMBOLS: Final = 200
# The library's parser calls itself for every bracket; a thread's stack is all that ends it.
MAX_DEPTH: Final = 16
# Every variable that exists, with its fields; `payload` has whatever the agent sent.
VARIABLES: Final[Mapping[str, frozenset[str]]] = {
    "action": frozenset({"verb", "capability", "destinations", "units", "amount", "payload"}),
    "agent": frozenset({"name", "team", "tags", "environment"}),
    "now": frozenset(),
}
AMOUNT: Final = frozenset({"nano", "currency"})
FUNCTIONS: Final = frozenset({"has", "size", "int", "string", "timestamp", "duration"})
METHODS: Final = frozenset(
    {
        "size", "contains", "startsWith", "endsWith",
        "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
        "getHours", "getMinutes", "getSeconds",
    }
)  # fmt: skip
LOOPS: Final = frozenset({"all", "exists", "exists_one"})
_WORDS: Final = frozenset({"true", "false", "null", "in"})
# Reading these once for every element of a list would multiply what an action is large in.
_LARGE: Final = frozenset({"payload", "destinations"})
_SYMBOL: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
    | (?P<text>[rR](?:"[^"\r\n]*"|'[^'\r\n]*') | "(?:[^"\\\r\n]|\\.)*" | '(?:[^'\\\r\n]|\\.)*')
    | (?P<number>0[xX][0-9a-fA-F]+ | [0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>&& | \|\| | [=!<>]= | [-+*/%<>!?:,.()\[\]])
    """,
    re.VERBOSE,
)


class ExpressionInvalid(ValueError):
    """An expression is not of an admitted form; the text says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an expression uses.

    Attributes:
        payload: whether it reads the payload.
        paths: the fields of the payload that it names, each as the names on the way.
        numbers: its whole numbers.
        texts: its texts, unless they have escapes.
    """

    payload: bool
    paths: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Symbol:
    kind: str
    text: str


_END: Final = _Symbol("end", "")


def read_expression(text: str) -> Reading:
    """Read an expression.

    Raises:
        ExpressionInvalid: too long, or something in it is not admitted.
    """
    symbols = _symbols(text)
    walk = _Walk(symbols)
    for index in range(len(symbols)):
        walk.step(index)
    numbers = tuple(int(one.text, 0) for one in symbols if one.kind == "number" and one.text.isdigit())
    texts = tuple(one.text[1:-1] for one in symbols if one.kind == "text" and "\\" not in one.text)
    return Reading(walk.payload, tuple(walk.paths), numbers, texts)


def _symbols(text: str) -> list[_Symbol]:
    if len(text) > MAX_TEXT:
        message = f"A condition has at most {MAX_TEXT:,} characters."
        raise ExpressionInvalid(message)
    try:
        check(text)
    except Invalid as error:
        raise ExpressionInvalid(error.errors[0].detail) from error
    found: list[_Symbol] = []
    at = 0
    while at < len(text):
        match = _SYMBOL.match(text, at)
        if text.startswith("//", at):
            # The library would skip the rest of the line, and what is read here would not be what it runs.
            message = "A condition has no comments."
            raise ExpressionInvalid(message)
        if match is None or match.lastgroup is None:
            message = f"“{text[at]}” at character {at + 1} is not admitted in a condition."
            raise ExpressionInvalid(message)
        at = match.end()
        if match.lastgroup == "space":
            continue
        if match.lastgroup == "text" and found and found[-1].kind in {"text", "name"} and found[-1].text != "in":
            message = "Texts stand in single or double quotes, with an operator between them."
            raise ExpressionInvalid(message)
        found.append(_Symbol(match.lastgroup, match.group()))
    if not 0 < len(found) <= MAX_SYMBOLS:
        message = f"A condition has at least one and at most {MAX_SYMBOLS} symbols."
        raise ExpressionInvalid(message)
    return found


class _Walk:
    """Goes through the symbols once, with the comprehension that it is in."""

    def __init__(self, symbols: list[_Symbol]) -> None:
        self.symbols = symbols
        self.depth = 0
        # Brackets that are open, and choices, which nest to their right until the end.
        self.nested = 0
        # Variable of the comprehension, and the depth at which it ends.
        self.loop: tuple[str, int] | None = None
        self.payload = False
        self.paths: list[tuple[str, ...]] = []

    def at(self, index: int) -> _Symbol:
        return self.symbols[index] if 0 <= index < len(self.symbols) else _END

    def step(self, index: int) -> None:
        symbol = self.symbols[index]
        if symbol.text in {"(", "[", "?"}:
            self.nested += 1
            if self.nested > MAX_DEPTH:
                message = f"Brackets and choices (? :) stand at most {MAX_DEPTH} deep."
                raise ExpressionInvalid(message)
        if symbol.text in {"(", "["}:
            self.depth += 1
        elif symbol.text in {")", "]"}:
            self.depth -= 1
            self.nested -= 1
            if self.loop is not None and self.depth < self.loop[1]:
                self.loop = None
        elif symbol.kind == "name":
            called = self.at(index + 1).text == "("
            if self.at(index - 1).text == ".":
                self._member(index, symbol.text, called=called)
            elif called:
                self._function(symbol.text)
            else:
                self._root(index, symbol.text)

    def _member(self, index: int, name: str, *, called: bool) -> None:
        if not called:
            return
        if name in LOOPS:
            variable = self.at(index + 2)
            if self.loop is not None:
                message = f"“{name}” stands inside another comprehension."
                raise ExpressionInvalid(message)
            known = variable.text in {*VARIABLES, *_WORDS, *FUNCTIONS}
            if variable.kind != "name" or self.at(index + 3).text != "," or known:
                message = f"Write {name}(x, …) with a name of its own for each element."
                raise ExpressionInvalid(message)
            self.loop = (variable.text, self.depth + 1)
        elif name not in METHODS:
            message = f"“.{name}()” is not admitted; known are {_listed(METHODS | LOOPS)}."
            raise ExpressionInvalid(message)

    def _function(self, name: str) -> None:
        if name not in FUNCTIONS and name not in _WORDS:
            message = f"“{name}()” is not admitted; known are {_listed(FUNCTIONS)}."
            raise ExpressionInvalid(message)

    def _root(self, index: int, name: str) -> None:
        if name in _WORDS or (self.loop is not None and name == self.loop[0]):
            return
        if name not in VARIABLES:
            message = f"There is no “{name}”; known are {_listed(frozenset(VARIABLES))}."
            raise ExpressionInvalid(message)
        if name == "now":
            return
        path = self._path(index)
        if not path or path[0] not in VARIABLES[name]:
            message = f"Write {name}. and one of {_listed(VARIABLES[name])}."
            raise ExpressionInvalid(message)
        if path[0] == "amount" and (len(path) > 2 or not set(path[1:]) <= AMOUNT):
            message = "An amount has nano (whole billionths of its currency) and currency."
            raise ExpressionInvalid(message)
        if self.loop is not None and name == "action" and path[0] in _LARGE:
            message = f"A comprehension may not read action.{path[0]} anew for every element."
            raise ExpressionInvalid(message)
        if name == "action" and path[0] == "payload":
            self.payload = True
            self.paths.append(path[1:])

    def _path(self, index: int) -> tuple[str, ...]:
        """Return the names that follow a variable, without a method's."""
        path: list[str] = []
        while self.at(index + 1).text == "." and self.at(index + 2).kind == "name":
            if self.at(index + 3).text == "(":
                break
            path.append(self.at(index + 2).text)
            index += 2
        return tuple(path)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
