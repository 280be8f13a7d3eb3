"""Sends one request again and again, each time with a fault at another point, and judges what comes of it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import close_old_connections, connection

from tests.faults.breaking import Fault, Kind, broken
from tests.faults.pictures import Effect, Picture, Watcher, difference
from tests.faults.requests import Prepared, Request
from tests.faults.stage import Stage

MOST_POINTS = 2_000


@dataclass(slots=True)
class Tale:
    """What was tried and what was wrong.

    Attributes:
        points: statements and commits of one undisturbed request.
        tried: faults by kind.
        survived: faults that the request got over with its whole effect.
        wrong: what broke a promise.
    """

    points: int = 0
    tried: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Probe:
    """One kind of request against all faults.

    Args:
        request: the kind.
        stage: the installation.
        watcher: sees the database from outside.
        chance: gives the order of the faults.
    """

    def __init__(self, request: Request, stage: Stage, watcher: Watcher, chance: random.Random) -> None:
        self.request = request
        self.stage = stage
        self.watcher = watcher
        self.chance = chance
        self.tale = Tale()
        self.clean: Effect = Counter()
        self.prepared: Prepared = Prepared(lambda: None)
        self.before: Picture = {}

    def run(self, kinds: Iterable[Kind], *, every: int = 1) -> Tale:
        """Try every point, or one out of so many, with each kind of fault."""
        self._measure()
        number = self.chance.randrange(every)
        while number < MOST_POINTS:
            self._prepare()
            order = list(kinds)
            self.chance.shuffle(order)
            # `any` would stop at the first that was met.
            met = [self._try(number, kind) for kind in order]
            self._retry(f"after the faults at point {number}")
            if not any(met):
                self.tale.points = number
                return self.tale
            number += every
        raise AssertionError("the request does not end")

    def _measure(self) -> None:
        """Send it undisturbed: once, as the first of its kind may do more than others, then twice with one effect."""
        effects = []
        for _ in range(3):
            self._prepare()
            answer = self._send()
            assert self.request.succeeded(answer), (answer.status_code, answer.content[:2000])
            effects.append(self.watcher.effect(self.before, self.watcher.picture(), names=self.prepared.names))
        self.clean = effects[-1]
        assert effects[1] == effects[2], (effects[1] - effects[2], effects[2] - effects[1])

    def _prepare(self) -> None:
        self.prepared = self.request.prepare(self.stage)
        self.before = self.watcher.picture()

    def _send(self, fault: Fault | None = None) -> Any:
        # What Django does around every request of a server; the test client leaves it out.
        close_old_connections()
        try:
            if fault is None:
                return self.prepared.send()
            with broken(fault):
                return self.prepared.send()
        finally:
            assert not connection.in_atomic_block
            if connection.vendor == "sqlite" and fault is not None and fault.closed:
                # A file is never gone from one request to the next as a server is, and Django does not look.
                connection.close()
            close_old_connections()

    def _try(self, number: int, kind: Kind) -> bool:
        """Send it with one fault; return whether it was met."""
        fault = Fault(at=number, kind=kind)
        answer = self._send(fault)
        where = f"{self.request.name}, point {number} ({fault.statement and fault.statement[:160]!r}), {kind}"
        if fault.statement is None:
            # The request was shorter than that.
            self._prepare()
            return False
        self.tale.tried[kind] += 1
        after = self.watcher.picture()
        if self.request.succeeded(answer):
            self.tale.survived[kind] += 1
            if kind is not Kind.INTEGRITY_ONCE and not fault.beside:
                self._wrong(f"{where}: answered {answer.status_code} all the same")
            if fault.beside:
                self.request.mend()
                after = self.watcher.picture()
            self._whole(after, where)
            self._prepare()
            return True
        self._told(answer, fault, where)
        if after != self.before:
            if fault.committed:
                self.request.mend()
                self._whole(self.watcher.picture(), where)
                self._retry(where, had_effect=True)
            else:
                self._wrong(f"{where}: left something behind: {difference(self.before, after)[:3]}")
            self._prepare()
        return True

    def _told(self, answer: Any, fault: Fault, where: str) -> None:
        if answer.status_code not in {500, 503}:
            self._wrong(f"{where}: answered {answer.status_code} {answer.content[:300]!r}")
            return
        if self.request.name == "apply":
            return
        problem = json.loads(answer.content)
        if answer["Content-Type"] != "application/problem+json" or problem["status"] != answer.status_code:
            self._wrong(f"{where}: no problem document: {answer.content[:300]!r}")
        # A savepoint that cannot be taken back or let go leaves Django's own error behind.
        if fault.statement is not None and fault.statement.startswith(("ROLLBACK TO", "RELEASE")):
            return
        if fault.kind.is_trouble and (answer.status_code, answer.get("Retry-After")) != (503, "1"):
            self._wrong(f"{where}: answered {answer.status_code} and not 503 with Retry-After")

    def _whole(self, after: Picture, where: str, *, again: bool = False) -> None:
        found = self.watcher.effect(self.before, after, names=self.prepared.names)
        if again and self.request.noted_again:
            more = [line for line in found - self.clean if f'"kind": "{self.request.noted_again}"' in line]
            found -= Counter(more[:1])
        if found != self.clean:
            self._wrong(f"{where}: another effect: + {list(found - self.clean)} - {list(self.clean - found)}")

    def _retry(self, where: str, *, had_effect: bool = False) -> None:
        """Send it once more in the same words: it succeeds, and has had its effect exactly once."""
        answer = self._send()
        welcome = answer.status_code in self.request.again if had_effect else self.request.succeeded(answer)
        if not welcome:
            self._wrong(f"{where}: the retry was answered {answer.status_code} {answer.content[:300]!r}")
        self._whole(self.watcher.picture(), f"{where}, after the retry", again=had_effect)

    def _wrong(self, words: str) -> None:
        self.tale.wrong.append(words)
