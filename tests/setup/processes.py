"""What tests of processes share: where the code is, who is alive, and patience."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

Value = TypeVar("Value")

ROOT = Path(__file__).resolve().parent.parent.parent
needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="counts processes by /proc")


def eventually(ask: Callable[[], Value], *, seconds: float = 60.0) -> Value:
    """Ask again until the answer is truthy; fail after that long."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.05)
    return answer


def alive(*marks: str) -> list[int]:
    """Return every process whose environment or command line holds one of the marks.

    The command line counts too, because a broker writes its title over its environment.
    """
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            running = folder.name.isdigit() and (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            told = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes() if running else b""
            if int(folder.name if running else 0) != os.getpid() and any(mark.encode() in told for mark in marks):
                found.append(int(folder.name))
    return found


def noted(home: Path) -> dict[str, int]:
    """Return the supervised processes that the data folder names."""
    try:
        return {entry["name"]: entry["pid"] for entry in json.loads((home / "run" / "processes.json").read_text())}
    except FileNotFoundError:
        return {}


@contextlib.contextmanager
def none_left(*marks: str) -> Iterator[None]:
    """Kill, at the end, whatever a failed test leaves behind."""
    try:
        yield
    finally:
        for pid in alive(*marks):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
