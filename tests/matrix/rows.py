"""The vocabulary of the permission table: one row for each route, in the words of section 12.

Roles are written in one text with spaces. Of a row with an object, whoever does not *see* it
finds nothing (404, the same as for what is not there); who sees it and *may* not, is forbidden.
Administrators and auditors see the sibling team's objects as they see their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
READING = ("GET", "HEAD")
ALL = "admin operator owner reviewer auditor"
READERS = "admin operator owner auditor"
EVERYWHERE = frozenset({"admin", "auditor"})
# Who is refused at the door of people, whatever they ask for.
NOBODY = ("nobody", "key", "sibling key", "narrow key", "gone")
PEOPLE = ("admin", "operator", "owner", "reviewer", "auditor", "superuser")
CALLERS = (*NOBODY, *PEOPLE)
# Django's flag gives nothing: a reviewer who has it is a reviewer. One reviewer approved what a grant came from.
_NAMES = {"superuser": frozenset({"reviewer"}), "reviewer": frozenset({"reviewer", "approver"})}
OWN, SIBLING, MISSING = "own", "sibling", "missing"

Body = Mapping[str, Any] | Callable[[Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Rule:
    """What one method does.

    Attributes:
        may: who may.
        done: the status for those.
        body: what is sent; a function of the object where it depends on it.
        headers: sent with it, likewise.
        query: the query string, likewise.
        see: who finds what the call is about, where that differs from the row.
        refused: the status for those who see it and may not.
    """

    may: frozenset[str]
    done: int = 200
    body: Body | None = None
    headers: Body = field(default_factory=dict)
    query: Body = field(default_factory=dict)
    see: frozenset[str] | None = None
    refused: int = 403


@dataclass(frozen=True, slots=True)
class Row:
    """What is expected of one route.

    Attributes:
        path: of the route.
        door: who is asked for: ``key``, ``person``, ``console`` or ``open``; ``both`` are people who read and keys
            that write.
        rules: by method; what is left out is answered 405.
        on: the name of the object in the address (`tests.matrix.places`), or empty.
        see: who finds the object, or has the page.
        scope: whether a key needs a scope for it.
        late: whether the method is looked at before the scope.
        hidden: what those without the page are told: 403 of lists, 404 of the rest.
        common: the object belongs to no team.
        finds_first: whether the object is looked for before the method is.
        values: what stands in the address beside the object's own.
        fills: whether a POST sends the form that the page shows.
    """

    path: str
    door: str
    rules: Mapping[str, Rule]
    on: str = ""
    see: frozenset[str] = frozenset()
    scope: bool = False
    late: bool = False
    hidden: int = 404
    common: bool = False
    finds_first: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    fills: bool = False

    @property
    def objects(self) -> tuple[str, ...]:
        """Whose objects it is asked for."""
        if not self.on:
            return (OWN,)
        return (OWN, MISSING) if self.common else (OWN, SIBLING, MISSING)

    @property
    def query(self) -> Body:
        """What the address of its pages carries."""
        return self.rules["GET"].query if "GET" in self.rules else {}

    @property
    def cells(self) -> int:
        """How many requests check it."""
        return len(METHODS) * len(CALLERS) * len(self.objects)

    def expected(self, method: str, caller: str, whose: str) -> int:
        """Return the status that a caller gets."""
        rule = self.rules.get(method)
        door = self.door
        if door == "both":
            door = "person" if method in READING else "key"
        if door == "open":
            known = caller not in NOBODY
            return 405 if rule is None else rule.done if known else rule.refused
        if door == "key":
            return self._of_key(rule, caller, whose)
        if caller in NOBODY:
            return 302 if door == "console" else 401
        names = _NAMES.get(caller, frozenset({caller}))
        if rule is None and not self.finds_first:
            return 405
        if not names & (self.see if rule is None or rule.see is None else rule.see):
            return self.hidden
        if self.on and (whose == MISSING or (whose == SIBLING and not self.common and not names & EVERYWHERE)):
            return 404
        if rule is None:
            return 405
        return rule.done if names & rule.may else rule.refused

    def _of_key(self, rule: Rule | None, caller: str, whose: str) -> int:
        if caller not in {"key", "sibling key", "narrow key"}:
            return 401
        if caller == "narrow key" and self.scope and (rule or not self.late):
            return 403
        if rule is None:
            return 405
        if self.on and whose != (SIBLING if caller == "sibling key" else OWN):
            return 404
        return rule.done


def _set(roles: str) -> frozenset[str]:
    return frozenset(roles.split())


def page(path: str, on: str, see: str = READERS, *, common: bool = False) -> Row:
    """An object's page in the console: reading only."""
    read = Rule(_set(see))
    return Row(path, "console", {"GET": read, "HEAD": read}, on=on, see=_set(see), common=common)


def listing(path: str, see: str = READERS) -> Row:
    """A list in the console: reading only; whoever has no such page is told so."""
    read = Rule(_set(see))
    return Row(path, "console", {"GET": read, "HEAD": read}, see=_set(see), hidden=403)


def dialog(
    path: str, on: str = "", *, may: str, see: str = READERS, opens: str | None = None, done: int = 302,
    open_done: int = 200, body: Body | None = None, query: Body | None = None, common: bool = False,
    idle: int = 0, hides: str = "", refused: int = 403,
) -> Row:  # fmt: skip
    """A dialog: GET says what it does to those who may (or to `opens`), POST does it.

    `idle` is for what the world of the matrix has no occasion for: it answers this to all who see it. To those
    whom it `hides` from, it is missing though they see the object. `refused` is another status for a POST of those
    who may not: 422 where the form itself offers them nothing to choose.
    """
    found = _set(see) - _set(hides)
    opening = _set(may if opens is None else opens)
    read = Rule(opening, idle or open_done, query=query or {}, refused=idle or 403, see=found)
    write = Rule(_set(may), idle or done, body=body, query=query or {}, refused=idle or refused, see=found)
    rules = {"GET": read, "HEAD": read, "POST": write}
    return Row(path, "console", rules, on=on, see=_set(see), common=common, fills=True, finds_first=True)


def anything(path: str, may: str = ALL, *, done: int = 200, refused: int = 403, methods: tuple[str, ...] = METHODS,
             query: Body | None = None) -> Row:  # fmt: skip
    """A page of the console that belongs to no model, whatever the method."""
    rule = Rule(_set(may), done, refused=refused, query=query or {})
    return Row(path, "console", dict.fromkeys(methods, rule), see=_set(ALL))


def lists(path: str, *also: tuple[str, Rule], on: str = "", see: str = ALL, door: str = "person") -> Row:
    """A list of the API for people, who find in it what they may see; `also` are further methods."""
    read = Rule(_set(see))
    rules = {"GET": read, "HEAD": read, **dict(also)}
    return Row(path, door, rules, on=on, see=_set(see), scope=door == "both")


def reads(path: str, on: str, *also: tuple[str, Rule], see: str = READERS, common: bool = False,
          door: str = "person") -> Row:  # fmt: skip
    """One of a list of the API."""
    return replace(lists(path, *also, on=on, see=see, door=door), common=common)


def acts(path: str, on: str, rule: tuple[str, Rule], *, see: str = READERS, common: bool = False) -> Row:
    """A call of the API that does something to an object."""
    return Row(path, "person", dict([rule]), on=on, see=_set(see), common=common)


def by_key(path: str, *rules: tuple[str, Rule], on: str = "", scope: bool = True, late: bool = False) -> Row:
    """A call of an agent's key; `scope`: whether it needs one, `late`: only once the method is known."""
    known = dict(rules)
    if "GET" in known:
        known["HEAD"] = known["GET"]
    return Row(path, "key", known, on=on, scope=scope, late=late)


def to(
    method: str, done: int = 200, may: str = ALL, body: Body | None = None, see: str | None = None, **other: Any
) -> tuple[str, Rule]:
    """One method of a row: who may, what it sends, and the status for those who may."""
    return method, Rule(_set(may), done, body=body, see=None if see is None else _set(see), **other)


def anybody(path: str, *methods: str, done: int = 200, logged_in: int = 0) -> Row:
    """A page for everybody; `logged_in`: the status for those who are."""
    rule = Rule(_set(ALL), logged_in or done, refused=done)
    return Row(path, "open", dict.fromkeys(methods or READING, rule))


def nowhere(path: str, values: Mapping[str, Any] | None = None, methods: tuple[str, ...] = METHODS) -> Row:
    """An address that leads nowhere in the world of the matrix, for people who are logged in."""
    row = anything(path, done=404, methods=methods)
    return replace(row, values=values or {})
