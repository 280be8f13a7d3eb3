"""From nothing to a served log-in page: ``python -m tests.benchmarks.start``.

Copies what git tracks into an empty folder, runs ``python3 manage.py up`` there with no environment, no caches and no
virtual environment, waits for the log-in page, ends it with Ctrl-C, starts it again, and prints the times.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS = 300
# The interpreter beneath a virtual environment: the copy makes one of its own.
PYTHON = Path(getattr(sys, "_base_executable", sys.executable))


def copy_of_the_tree(folder: Path) -> Path:
    """Copy every tracked file; return the new root."""
    target = folder / "clone"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in tracked.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return target


def start(tree: Path, home: Path, port: int) -> tuple[float, float]:
    """Run ``up`` until the log-in page answers, then Ctrl-C; return both times in seconds."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(home), "CONTROLPLANE_PORT": str(port),
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_", "REQUESTS_"))},
        "PIP_CACHE_DIR": str(home / "pip"), "UV_CACHE_DIR": str(home / "uv"),
    }  # fmt: skip
    began = time.monotonic()
    with (home / "up.log").open("ab") as log:
        up = subprocess.Popen([str(PYTHON), "manage.py", "up"], cwd=tree, env=environment, stdout=log, stderr=log)
    try:
        while not _answers(port):
            if up.poll() is not None or time.monotonic() - began > MOST_SECONDS:
                raise SystemExit((home / "up.log").read_text())
            time.sleep(0.1)
        ready = time.monotonic() - began
    finally:
        up.send_signal(signal.SIGINT)
        asked = time.monotonic()
        up.wait(timeout=60)
    return ready, time.monotonic() - asked


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/login/", timeout=2) as page:
            return bool(page.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def main() -> None:
    """Measure and print."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="start-") as folder:
        tree = copy_of_the_tree(Path(folder))
        home = Path(folder) / "home"
        home.mkdir()
        for name in ("first start, empty folder and caches", "second start"):
            ready, ended = start(tree, home, port)
            sys.stdout.write(f"{name:<40}{ready:6.1f} s to a served log-in page, {ended:4.1f} s to end on Ctrl-C\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
