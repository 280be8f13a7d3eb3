"""Named points: before and behind each row that a request writes, and its commit. A forked child dies there."""

from __future__ import annotations

import os
import re
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from tests.faults.breaking import COMMIT, broken, die

_PATIENCE_SECONDS = 60
_ROW = re.compile(r'\s*(INSERT|UPDATE)(?: OR \w+)?(?: INTO)?\s+"?(\w+)"?', re.IGNORECASE)
# Where a state moves, a changed row is an effect as much as a new one.
_MOVES = "approvals_"


@dataclass(frozen=True, order=True)
class Point:
    """Where to die.

    Attributes:
        name: ``INSERT policies_decision``, or ``COMMIT``.
        number: the how-manieth of that name, from 1.
        behind: behind it, and not before it.
    """

    name: str
    number: int
    behind: bool = False

    def __str__(self) -> str:
        return f"{'behind' if self.behind else 'before'} {self.name} {self.number}"


@dataclass
class Passing:
    """Names the points that a request passes, and dies at one.

    Attributes:
        at: where; None: nowhere.
        updates: whether all changed rows are points, and not only new ones and those of approvals.
        passed: the points so far, each as it is before it is done.
    """

    at: Point | None = None
    updates: bool = False
    passed: list[Point] = field(default_factory=list)

    def meet(self, statement: str, go_on: Callable[[], Any]) -> Any:
        """Be told of a statement or a commit."""
        point = self._named(statement)
        if point is None:
            return go_on()
        self.passed.append(point)
        if self.at == point:
            die()
        found = go_on()
        if self.at == Point(point.name, point.number, behind=True):
            die()
        return found

    def _named(self, statement: str) -> Point | None:
        found = _ROW.match(statement)
        if statement == COMMIT:
            # One that keeps nothing of the request, such as when a key was used, is none of its points.
            name = COMMIT if any(point.name.startswith("INSERT") for point in self.passed) or self.updates else ""
        elif found and (self.updates or found[1].upper() == "INSERT" or found[2].startswith(_MOVES)):
            name = f"{found[1].upper()} {found[2]}"
        else:
            name = ""
        return Point(name, 1 + sum(each.name == name for each in self.passed)) if name else None


def points_of(do: Callable[[], Any], *, updates: bool = False) -> list[Point]:
    """Do it undisturbed; return the points that it passes, each before and behind."""
    with broken(Passing(updates=updates)) as passing:
        do()
    return [Point(point.name, point.number, behind) for point in passing.passed for behind in (False, True)]


def killed(do: Callable[[], Any], at: Point, *, updates: bool = False) -> bool:
    """Do it in a child of its own that dies at a point by SIGKILL; return whether it did."""
    # What is forked must not share a connection.
    connections.close_all()
    pid = os.fork()
    if not pid:
        # A child that hangs ends all the same, and not by SIGKILL.
        signal.alarm(_PATIENCE_SECONDS)
        try:
            with broken(Passing(at, updates)):
                do()
        except BaseException:  # noqa: BLE001 - the child's end is not the test's
            traceback.print_exc()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
