"""Breaking the database at one point of a request.

Points are counted in the order in which the request meets them: every statement (savepoints and the opening of a
transaction included) and every commit. The fault happens at the point that was asked for, before or after it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import psycopg
from django.db import IntegrityError, InterfaceError, OperationalError, connection

from controlplane.addresses import database_address


class Kind(StrEnum):
    """What goes wrong."""

    OPERATIONAL = "the database refuses"
    INTEGRITY = "another constraint, from here on"
    INTEGRITY_ONCE = "another constraint, once"
    INTERFACE = "the driver fails"
    LOST = "the connection is really gone"
    AFTER = "done, but the answer is lost"

    @property
    def is_trouble(self) -> bool:
        """Whether a client is to hear that the database does not answer, and to come back."""
        return self in {Kind.OPERATIONAL, Kind.INTERFACE, Kind.AFTER}


COMMIT = "COMMIT"
# These may fail without harm: the use of a key, and the pause that follows a commit and that a sweep repeats.
BESIDE = frozenset({"note_use", "pause_spent"})


@dataclass(slots=True)
class Fault:
    """One fault, and what was met on the way to it.

    Attributes:
        at: number of the point, from 0; None only counts.
        kind: what goes wrong there.
        points: what was met: statements, and `COMMIT`.
        statement: the point at which it happened; None where the request ended before.
        beside: the fault hit what may fail beside a request.
        committed: the request's own transaction was committed all the same.
        closed: the driver's connection was closed.
    """

    at: int | None = None
    kind: Kind = Kind.OPERATIONAL
    points: list[str] = field(default_factory=list)
    statement: str | None = None
    beside: bool = False
    committed: bool = False
    closed: bool = False

    def meet(self, statement: str, go_on: Callable[[], Any]) -> Any:
        """Count a point, and break at the one that was asked for."""
        number = len(self.points)
        self.points.append(statement)
        if self.at is None or number < self.at or (number > self.at and self.kind is not Kind.INTEGRITY):
            return go_on()
        if number == self.at:
            self.statement = statement
            self.beside = _within(BESIDE)
        return self._break(statement, go_on)

    def _break(self, statement: str, go_on: Callable[[], Any]) -> Any:
        if self.kind in {Kind.INTEGRITY, Kind.INTEGRITY_ONCE}:
            raise IntegrityError("a constraint of somebody else")
        if self.kind is Kind.INTERFACE and statement != COMMIT:
            # A server's driver says so of a connection that is closed, so it is closed. At a commit none says so.
            if not _is_file():
                self._close()
            raise InterfaceError("connection already closed")
        if self.kind is Kind.AFTER and not statement.startswith("BEGIN"):
            go_on()
            self.committed = statement == COMMIT
            raise OperationalError("server closed the connection unexpectedly")
        if self.kind is Kind.LOST:
            # What follows is the driver's own error, and Django's own recovery.
            if _is_file():
                self._close()
            else:
                _terminate()
            return go_on()
        raise OperationalError("the database does not answer")

    def _close(self) -> None:
        self.closed = True
        if connection.connection is not None:
            connection.connection.close()


@dataclass(slots=True)
class Death:
    """The end of the process by SIGKILL at one point.

    Attributes:
        at: number of the point, from 0.
        after: behind it, and not before it.
        met: points met so far.
    """

    at: int
    after: bool
    met: int = 0

    def meet(self, _statement: str, go_on: Callable[[], Any]) -> Any:
        """Count a point, and die at the one that was asked for."""
        number, self.met = self.met, self.met + 1
        if number == self.at and not self.after:
            die()
        found = go_on()
        if number == self.at:
            die()
        return found


def die() -> None:
    """End this process as the kernel would: nothing is flushed, closed or rolled back."""
    os.kill(os.getpid(), signal.SIGKILL)


class Meets(Protocol):
    """What is to be told of every point."""

    def meet(self, statement: str, go_on: Callable[[], Any], /) -> Any:
        """Be told of a point, and go on from it or not."""


Met = TypeVar("Met", bound=Meets)


@contextmanager
def broken(fault: Met) -> Iterator[Met]:
    """Run a block in which the present thread's database breaks as the fault says."""

    def statement(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        return fault.meet(sql, lambda: execute(sql, params, many, context))

    commit = connection._commit
    connection._commit = lambda: fault.meet(COMMIT, commit)
    try:
        with connection.execute_wrapper(statement):
            yield fault
    finally:
        del connection._commit


def _terminate() -> None:
    """Have the server end the process behind the connection, as an operator or a failover would."""
    if connection.connection is None:
        return
    known = connection.settings_dict
    names = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")
    with psycopg.connect(database_address({name: known[name] for name in names}), autocommit=True) as other:
        # Waits until it is gone, at most so many milliseconds.
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])


def _is_file() -> bool:
    return connection.vendor == "sqlite"


def _within(names: frozenset[str]) -> bool:
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name in names:
            return True
        frame = frame.f_back
    return False
