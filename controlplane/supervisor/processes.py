"""One supervised process: how it is started, ended, and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controlplane import environment

_FIRST_DELAY_SECONDS = 0.2
_LONGEST_DELAY_SECONDS = 30.0
# Whoever lived this long was well: the next death is a new story and not the same trouble again.
_STEADY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run.

    Attributes:
        name: what people call it.
        command: program and arguments.
        folder: working folder.
        patience_seconds: how long it may take to end after it was asked to.
        may_wait: whether its first start may wait until people can sign in, which is sooner if it does.
        variables: what its environment holds besides this process's.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    patience_seconds: float
    may_wait: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The environment it runs in."""
        return environment.for_children(DJANGO_SETTINGS_MODULE="controlplane.settings", **self.variables)


def back_off(failures: int) -> float:
    """Return the seconds to wait before the next start, after so many failures in a row."""
    return min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2.0 ** max(0, failures - 1))


@dataclass(slots=True)
class Child:
    """A process of the installation, in a session of its own, so that a Ctrl-C on the terminal does not reach it."""

    plan: Plan
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started_at: float = 0.0
    start_after: float = 0.0

    @property
    def is_running(self) -> bool:
        """Whether the process was started and not yet seen to end."""
        return self.process is not None

    def start(self) -> int:
        """Start the process; return its id, which is also that of its group."""
        self.process = subprocess.Popen(
            self.plan.command,
            cwd=self.plan.folder,
            env=self.plan.environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.started_at = time.monotonic()
        return self.process.pid

    def collect(self) -> int | None:
        """Return how the process ended, or nothing if it has not. What is left of its group is killed.

        A negative number is the signal that ended it, as in `subprocess`.
        """
        if self.process is None or (code := self.process.poll()) is None:
            return None
        self._kill_group()
        steady = time.monotonic() - self.started_at >= _STEADY_SECONDS
        self.failures = 1 if steady else self.failures + 1
        self.start_after = time.monotonic() + back_off(self.failures)
        self.process = None
        return code

    def ask_to_end(self) -> None:
        """Ask the process, and not its own children, to finish what it does and end."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and its whole group at once."""
        if self.process is not None:
            self._kill_group()
            self.process.wait()
            self.process = None

    def _kill_group(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


@dataclass(slots=True)
class Guard:
    """The supervisor's end of `controlplane.supervisor.guard`."""

    process: subprocess.Popen[str] | None = None
    groups: set[int] = field(default_factory=set)

    def ensure(self) -> None:
        """Start the guard, if it does not run; it knows every group from its first moment on."""
        if self.process is not None and self.process.poll() is None:
            return
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py")), *map(str, self.groups)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def watch(self, group: int) -> None:
        """Have the group killed if the supervisor dies."""
        self.groups.add(group)
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        """Take the group off the list: it has ended."""
        self.groups.discard(group)
        self._tell(f"-{group}")

    def end(self) -> None:
        """Let the guard end. What it still watches dies with it."""
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.wait()

    def _tell(self, line: str) -> None:
        if self.process is not None and self.process.stdin is not None:
            # A dead guard is noticed and replaced by `ensure`, which names every group again.
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(line + "\n")
                self.process.stdin.flush()


def describe_end(code: int) -> str:
    """Say in words how a process ended."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"


Say = Callable[[str], None]
