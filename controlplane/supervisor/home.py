"""The data folder: one installation at a time, and no processes left over from the last one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

_SWEEP_SECONDS = 5.0


class Occupied(Exception):
    """Another ``up`` runs on this data folder."""


@contextlib.contextmanager
def occupy(home: Path) -> Iterator[None]:
    """Hold the folder while the block runs. The lock goes with the process, however that ends.

    Raises:
        Occupied: another process holds it.
    """
    folder = home / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Occupied(f"Another `up` (process {file.read().strip() or '?'}) runs on {home}.") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def remember(home: Path, groups: Mapping[str, int]) -> None:
    """Write down which processes run, for `sweep`.

    Args:
        home: the data folder.
        groups: id by name.
    """
    noted = [{"name": name, "pid": pid, "birth": birth(pid)} for name, pid in groups.items()]
    draft = home / "run" / "processes.json.new"
    draft.write_text(json.dumps(noted))
    draft.replace(home / "run" / "processes.json")


def sweep(home: Path) -> list[str]:
    """Kill what an earlier supervisor left running here; return the names.

    A process is known by its id and the moment of its birth, so that an id used anew by a stranger is left alone.
    """
    try:
        noted = json.loads((home / "run" / "processes.json").read_text())
    except (FileNotFoundError, ValueError):
        return []
    swept = []
    for entry in noted:
        pid, born = entry["pid"], entry["birth"]
        if born and birth(pid) == born:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
                swept.append(entry["name"])
                _await_end(pid, born)
    remember(home, {})
    return swept


def birth(pid: int) -> str:
    """Return what tells a process from any other with the same id; empty if there is none."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # The name in parentheses may hold anything, so fields are counted from its end; this one is the 22nd.
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        return "" if fields[0] in {"Z", "X"} else fields[19]
    ps = shutil.which("ps") or "ps"
    done = subprocess.run([ps, "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _await_end(pid: int, born: str) -> None:
    deadline = time.monotonic() + _SWEEP_SECONDS
    while birth(pid) == born and time.monotonic() < deadline:
        time.sleep(0.02)
