"""The supervisor: starts the processes, starts them again when they die, ends them in the right order."""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from controlplane.supervisor import home
from controlplane.supervisor.processes import Child, Guard, Plan, Say, describe_end

_TICK_SECONDS = 1.0
_TICK_BEFORE_READY_SECONDS = 0.1
_QUESTION_SECONDS = 5.0
_LAST = "broker"
# What may wait for the first readiness waits no longer than this.
_LONGEST_WAIT_SECONDS = 15.0
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Keeps the installation's processes alive until it is told to end.

    Args:
        plans: what to run, in the order of starting.
        folder: the data folder, which the caller occupies.
        is_ready: asked often at first; true once people can use the installation.
        when_ready: called once, when it is.
        say: tells people one line.
    """

    def __init__(
        self,
        *,
        plans: Sequence[Plan],
        folder: Path,
        is_ready: Callable[[], bool],
        when_ready: Callable[[], None],
        say: Say,
    ) -> None:
        self.children = [Child(plan) for plan in plans]
        self.guard = Guard()
        self.folder = folder
        self.is_ready = is_ready
        self.when_ready = when_ready
        self.say = say
        self.was_ready = False
        self.orders = 0
        self.began = time.monotonic()

    def run(self) -> None:
        """Run until a signal says otherwise; afterwards none of the processes is left."""
        with self._signals() as wake_up:
            try:
                while not self.orders:
                    self._keep_alive()
                    self._look_whether_ready()
                    self._sleep(wake_up)
                self._end(wake_up)
            finally:
                for child in self.children:
                    child.kill()
                self.guard.end()
                home.remember(self.folder, {})

    def _keep_alive(self) -> None:
        self.guard.ensure()
        changed = False
        for child in self.children:
            changed |= self._collect(child, "it is started again")
            if not child.is_running and self._is_due(child):
                self.guard.watch(child.start())
                changed = True
        if changed:
            self._remember()

    def _is_due(self, child: Child) -> bool:
        now = time.monotonic()
        waits = child.plan.may_wait and not self.was_ready and now - self.began < _LONGEST_WAIT_SECONDS
        return now >= child.start_after and not waits

    def _collect(self, child: Child, consequence: str) -> bool:
        group = child.process.pid if child.process else 0
        code = child.collect()
        if code is None:
            return False
        self.guard.forget(group)
        self.say(f"{child.plan.name} {describe_end(code)}; {consequence}")
        return True

    def _look_whether_ready(self) -> None:
        if not self.was_ready and self.is_ready():
            self.was_ready = True
            self.when_ready()

    def _end(self, wake_up: int) -> None:
        """Ask everybody to end, the broker after the others: they still hand back what they hold."""
        self.say("stopping: running tasks finish first (Ctrl-C again abandons them)")
        last = [child for child in self.children if child.plan.name == _LAST]
        for group in ([child for child in self.children if child not in last], last):
            for child in group:
                child.ask_to_end()
            self._await_end(group, wake_up)
        self.say("stopped")

    def _await_end(self, group: Sequence[Child], wake_up: int) -> None:
        began = time.monotonic()
        while any(child.is_running for child in group):
            self.guard.ensure()
            for child in group:
                if child.process is None:
                    continue
                pid = child.process.pid
                late = time.monotonic() - began > child.plan.patience_seconds
                if self.orders > 1 or late:
                    child.kill()
                    self.guard.forget(pid)
                elif child.collect() is not None:
                    self.guard.forget(pid)
            self._remember()
            self._sleep(wake_up)

    def _remember(self) -> None:
        running = {child.plan.name: child.process.pid for child in self.children if child.process}
        home.remember(self.folder, running)

    def _sleep(self, wake_up: int) -> None:
        """Wait for the next signal (a child's end is one), or until something is due."""
        now = time.monotonic()
        due = [child.start_after - now for child in self.children if not child.is_running]
        tick = _TICK_SECONDS if self.was_ready else _TICK_BEFORE_READY_SECONDS
        select.select([wake_up], [], [], max(0.05, min([tick, *due])))
        with contextlib.suppress(BlockingIOError):
            os.read(wake_up, 4096)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[int]:
        """Yield a descriptor that becomes readable with each signal; signals to end are counted."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        before = {number: signal.getsignal(number) for number in (*_ENDING_SIGNALS, signal.SIGCHLD)}
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in _ENDING_SIGNALS:
            signal.signal(number, self._count)
        # The default disposition would not wake anybody.
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(reader)
            os.close(writer)

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.orders += 1


def answers(host: str, port: int, path: str, *, asked_host: str) -> bool:
    """Whether a page is served.

    Args:
        host: address that the server listens on.
        port: its port.
        path: the page.
        asked_host: the host name to ask for, which must be an allowed one.
    """
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not listened on
    connection = http.client.HTTPConnection(reachable, port, timeout=_QUESTION_SECONDS)
    try:
        connection.request("GET", path, headers={"Host": asked_host})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
