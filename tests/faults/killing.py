"""Killing processes while callers go through their stories, and holding the ledger against the database afterwards."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.books import Findings
from tests.faults.server import On, Slot, open_board
from tests.faults.stage import Stage
from tests.faults.stories import Caller, Doors, Ledger

WEB, BACKGROUND, CALLERS = 3, 1, 4
# As many statements and commits as the longest request has, and some more.
FURTHEST_POINT = 36
_PATIENCE_SECONDS = 20.0
# How many of the kills have to hit somebody's work.
_AT_WORK = 0.6


@dataclass(slots=True)
class Kills:
    """What was killed.

    Attributes:
        at_random: at a moment that chance chose.
        at_points: before or behind a statement or a commit.
        inside: of all, while a request or a task was under way.
        of: by role.
    """

    at_random: int = 0
    at_points: int = 0
    inside: int = 0
    of: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """All of them."""
        return self.at_random + self.at_points


def doors(stage: Stage, port: int) -> Doors:
    """Return how callers get in: keys of agents, sessions of people."""
    return Doors(
        host="127.0.0.1",
        port=port,
        agent=stage.key,
        executor=stage.executor_key,
        reviewer=stage.reviewer.client.cookies["sessionid"].value,
        second=stage.second.client.cookies["sessionid"].value,
    )


@contextmanager
def serving(folder: Path, environment: dict[str, str], *, seed: int) -> Iterator[tuple[int, list[Slot]]]:
    """Run the server; yield its port and its board."""
    board = folder / "board"
    slots = open_board(board, WEB + BACKGROUND, fresh=True)
    command = [sys.executable, "-m", "tests.faults.server", str(board), str(WEB), str(BACKGROUND), str(seed)]
    with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            word, _, port = server.stdout.readline().partition(" ")
            assert word == "ready"
            yield int(port), slots
        finally:
            server.terminate()
            server.wait(timeout=30)


@contextmanager
def telling(way_in: Doors, *, seed: int, callers: int = CALLERS) -> Iterator[tuple[Ledger, list[Caller]]]:
    """Have callers go through their stories meanwhile; every promise is in the ledger at the end."""
    ledger, stop = Ledger(), threading.Event()
    crowd = [Caller(way_in, ledger, stop, f"caller-{number}", seed) for number in range(callers)]
    for caller in crowd:
        caller.start()
    try:
        yield ledger, crowd
    finally:
        stop.set()
        for caller in crowd:
            caller.join(timeout=120)


def kill_processes(slots: list[Slot], wanted: int, chance: random.Random, ledger: Ledger) -> Kills:
    """Kill so many processes or more, half at random moments and half at points that they meet.

    A kill that hits nobody's work proves nothing: it goes on until enough of them did.
    """
    kills = Kills()
    ends = time.monotonic() + wanted * 2 + 60
    while kills.total < wanted or kills.inside < wanted * _AT_WORK:
        assert time.monotonic() < ends, f"{kills.total} of {wanted} killed in time"
        assert not ledger.odd, ledger.odd[0]
        index = chance.randrange(len(slots))
        slot = slots[index]
        deaths, inside = slot[On.DEATHS], slot[On.INSIDE]
        if chance.random() < 0.5:
            met = _at_random(slot, chance)
            kills.at_random += met
        else:
            met = _at_point(slot, chance)
            kills.at_points += met
        if met:
            kills.inside += slot[On.INSIDE] - inside
            kills.of["web" if index < WEB else "worker"] += slot[On.DEATHS] - deaths
    return kills


def _at_random(slot: Slot, chance: random.Random) -> bool:
    deaths = slot[On.DEATHS]
    if chance.random() < 0.8:
        # Most of the time a process waits; the moments that matter are the others.
        _until(lambda: bool(slot[On.BUSY]), 0.5)
        time.sleep(chance.random() * 0.012)
    pid = slot[On.PID]
    if not pid:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return _until(lambda: slot[On.DEATHS] > deaths and slot[On.PID] not in {0, pid}, _PATIENCE_SECONDS)


def _at_point(slot: Slot, chance: random.Random) -> bool:
    deaths = slot[On.DEATHS]
    slot[On.AFTER] = chance.randrange(2)
    slot[On.AT] = chance.randrange(FURTHEST_POINT)
    met = _until(lambda: slot[On.DEATHS] > deaths, 0.4)
    slot[On.AT] = -1
    if met:
        _until(lambda: slot[On.PID] != 0, _PATIENCE_SECONDS)
    return met


def _until(is_so: Callable[[], bool], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > ends:
            return False
        time.sleep(0.0005)
    return True


def report(what: str, kills: str, ledger: Ledger, found: Findings, *, seed: int) -> None:
    """Print the counts."""
    kinds = Counter(each["kind"] for each in ledger.promises)
    print(
        f"{what}: {kills}; {found.acknowledged} acknowledged writes {dict(kinds)}, "
        f"{ledger.broken} answers that did not come, {len(ledger.abandoned)} abandoned; "
        f"{len(found.lost)} lost, {len(found.doubled)} doubled, {len(found.wrong)} wrong; seed {seed}"
    )


def judge(ledger: Ledger, found: Findings) -> None:
    """Nothing lost, nothing doubled, everything agrees."""
    assert not ledger.odd, ledger.odd[0]
    assert not found.lost, found.lost[:5]
    assert not found.doubled, found.doubled[:5]
    assert not found.wrong, found.wrong[:5]
