"""A process that has loaded everything once and forks children for work in which they may die.

``python -m tests.faults.nursery`` reads orders, one JSON list a line; each order of a list is done by a child of its
own, all at once. It answers with the children's ends: the signal that ended each, or what it said.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.engines import subprocess_environment


class Nursery:
    """The other side of the pipe.

    Args:
        process: the nursery.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(self, *orders: dict[str, Any]) -> list[dict[str, Any]]:
        """Have each order done by a child of its own; return ``{"signal": …, "said": …}`` of each."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(orders) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the nursery ended"
        found: list[dict[str, Any]] = json.loads(line)
        failed = [each["failed"] for each in found if each.get("failed")]
        assert not failed, failed[0]
        return found


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Start a nursery on the present test's database."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.nursery"], env=subprocess_environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield Nursery(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)


def _birth(order: dict[str, Any]) -> tuple[int, int]:
    """Fork a child that does one order; return its pid and where its words can be read."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    try:
        said = {"said": children.DOES[order.pop("job")](**order)}
    except BaseException:  # noqa: BLE001 - told to the test
        said = {"failed": traceback.format_exc()}
    os.write(theirs, json.dumps(said).encode())
    os._exit(0)


def _end(pid: int, door: int) -> dict[str, Any]:
    with os.fdopen(door, "rb") as words:
        text = words.read()
    status = os.waitpid(pid, 0)[1]
    return {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {"signal": 0, **json.loads(text)}


def main() -> None:
    """Do what is ordered until there are no more orders."""
    print("ready", flush=True)
    for line in sys.stdin:
        born = [_birth(order) for order in json.loads(line)]
        print(json.dumps([_end(pid, door) for pid, door in born]), flush=True)


if __name__ == "__main__":
    import django

    django.setup()
    from django.db import connections

    from tests.faults import children

    children.registered()
    # What is forked must not share a connection.
    connections.close_all()
    main()
