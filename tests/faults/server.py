"""A web server of several processes that may be killed at any moment: the real WSGI application behind a plain door.

``python -m tests.faults.server BOARD WEB BACKGROUND SEED`` forks so many processes that answer requests and so many
that do tasks, and a new one for each that dies. On the board, a file of numbers, each process shows what it is doing,
and is told at which point of its next work it is to die.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.wsgi import get_wsgi_application
from django.db import Error, connection
from django.urls import get_resolver

from tests.faults import children
from tests.faults.breaking import broken, die


class On(IntEnum):
    """Places of a process's numbers on the board."""

    PID = 0
    BUSY = 1  # 1 while a request or a task is under way
    MET = 2  # points of it so far
    AT = 3  # the point at which it is to die; -1: none
    AFTER = 4  # behind that point, and not before it
    DEATHS = 5
    INSIDE = 6  # of these, under way


WIDTH = len(On)


class Slot:
    """The numbers of one process.

    Args:
        board: all numbers.
        index: of the process.
    """

    def __init__(self, board: memoryview, index: int) -> None:
        self.board = board
        self.start = index * WIDTH

    def __getitem__(self, place: On) -> int:
        return int(self.board[self.start + place])

    def __setitem__(self, place: On, value: int) -> None:
        self.board[self.start + place] = value

    def meet(self, _statement: str, go_on: Callable[[], Any]) -> Any:
        """Count a point, and die at the one that was asked for."""
        number = self[On.MET]
        self[On.MET] = number + 1
        at = self[On.AT]
        if at == number and not self[On.AFTER]:
            die()
        found = go_on()
        if at == number:
            die()
        return found

    def begin(self) -> None:
        """Show that work begins."""
        self[On.MET] = 0
        self[On.BUSY] = 1

    def end(self) -> None:
        """Show that it is over."""
        self[On.BUSY] = 0


def open_board(path: Path, slots: int, *, fresh: bool = False) -> list[Slot]:
    """Open the board of so many processes."""
    if fresh:
        path.write_bytes(bytes(slots * WIDTH * 8))
    with path.open("r+b") as file:
        numbers = memoryview(mmap.mmap(file.fileno(), slots * WIDTH * 8)).cast("q")
    return [Slot(numbers, index) for index in range(slots)]


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(WSGIServer):
    def handle_error(self, *_: Any) -> None:
        """A caller that went away is nobody's business."""


def _serve(server: WSGIServer, slot: Slot, master: int) -> None:
    application: Any = server.get_app()

    def counted(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        slot.begin()
        with broken(slot):
            found: Iterable[bytes] = application(environ, start_response)
        return found

    server.set_app(counted)
    while os.getppid() == master:
        server.handle_request()
        slot.end()


def _work(slot: Slot, master: int, chance: random.Random) -> None:
    names = ["audit.seal", "approvals.sweep", "costs.roll_up", "costs.expire_reservations", "registry.expire_commands"]
    while os.getppid() == master:
        slot.begin()
        try:
            with broken(slot):
                children.app.tasks[chance.choice(names)].apply(throw=True)
        except Error:
            # The database was killed in the middle of it; what a worker does then, too.
            connection.close()
            time.sleep(0.1)
        slot.end()
        time.sleep(0.02)


def main(board: Path, web: int, background: int, seed: int) -> None:
    """Keep the processes alive until told to end."""
    application = get_wsgi_application()
    assert get_resolver().url_patterns
    if background:
        children.registered()
        # What is forked must not share a connection.
        connection.close()
    server = make_server("127.0.0.1", 0, application, server_class=_Server, handler_class=_Quiet)
    server.timeout = 0.5
    server.socket.settimeout(0.5)
    slots = open_board(board, web + background)
    living: dict[int, Slot] = {}
    births = 0

    def stop(*_: int | FrameType | None) -> None:
        for pid in living:
            os.kill(pid, signal.SIGKILL)
        os._exit(0)

    def bear(slot: Slot) -> None:
        nonlocal births
        births += 1
        slot[On.BUSY], slot[On.AT], slot[On.PID] = 0, -1, 0
        master, index = os.getpid(), slot.start // WIDTH
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            try:
                if index < web:
                    _serve(server, slot, master)
                else:
                    _work(slot, master, random.Random(seed + births))
            finally:
                os._exit(1)
        living[pid] = slot
        slot[On.PID] = pid

    signal.signal(signal.SIGTERM, stop)
    for slot in slots:
        bear(slot)
    print(f"ready {server.server_port}", flush=True)
    while True:
        pid, status = os.waitpid(-1, 0)
        slot = living.pop(pid)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            slot[On.DEATHS] += 1
            slot[On.INSIDE] += slot[On.BUSY]
        else:
            print(f"process {pid} ended by itself: {status}", file=sys.stderr, flush=True)
        bear(slot)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
