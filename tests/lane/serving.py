"""The lane as it is served: a process of its own, on the database of the tests."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.engines import subprocess_environment
from tests.ports import free_port
from tests.setup.processes import ROOT, eventually


@dataclass(frozen=True, slots=True)
class Served:
    """A running lane.

    Attributes:
        url: its address.
        process: its process.
    """

    url: str
    process: subprocess.Popen[bytes]


def answers(url: str) -> bool:
    """Whether the lane is up."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


@contextlib.contextmanager
def served_lane(*, host: str = "127.0.0.1", **variables: str) -> Iterator[Served]:
    """Serve the lane while the block runs; it ends as the supervisor ends it.

    Args:
        host: the name under which it is reached.
        variables: of its environment.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        environment = subprocess_environment(
            CONTROLPLANE_HOME=home, CONTROLPLANE_LANE_PORT=str(port), CONTROLPLANE_LOG_LEVEL="error", **variables
        )
        # Nobody here answers a sign of life.
        environment.pop("REDIS_URL", None)
        process = subprocess.Popen([sys.executable, "-m", "controlplane.lane"], cwd=ROOT, env=environment)
        url = f"http://{host}:{port}"
        try:
            eventually(lambda: answers(url))
            yield Served(url, process)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=30)


def memory_kib(pid: int) -> int:
    """Return a process's resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
