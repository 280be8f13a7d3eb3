"""How long a replay of recorded decisions takes, and whether its memory stays flat.

``python -m tests.benchmarks.replay [--decisions 100000] [--postgres]``. Fills a fresh database with
decisions of fifty agents over thirty days, then works a replay off in slices, as the task does. Prints
seconds, decisions per second, and how far the process grew after its first slice.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.postgres import postgres

ROOT = Path(__file__).resolve().parents[2]
_MEASURE = (
    "import django, sys; django.setup(); from tests.benchmarks.replay_inside import measure; measure(int(sys.argv[1]))"
)


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--decisions", type=int, default=100_000)
    options.add_argument("--postgres", action="store_true")
    chosen = options.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bench-replay-"))
    try:
        with _database(postgresql=chosen.postgres, home=home) as url:
            _child(home, url, "-c", "from controlplane import environment, keyring; keyring.ensure(environment.read())")
            _child(home, url, "manage.py", "migrate", "--verbosity", "0")
            name = "PostgreSQL" if chosen.postgres else "SQLite"
            print(f"{name}, {chosen.decisions:,} recorded decisions", flush=True)
            _child(home, url, "-c", _MEASURE, str(chosen.decisions))
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def _database(*, postgresql: bool, home: Path) -> Iterator[str]:
    if postgresql:
        with postgres() as url:
            yield url
    else:
        yield f"sqlite:///{home}/bench.sqlite3"


def _child(home: Path, url: str, *words: str) -> None:
    variables = {
        **os.environ,
        "CONTROLPLANE_HOME": str(home),
        "CONTROLPLANE_NO_BOOTSTRAP": "1",
        "CONTROLPLANE_LOG_LEVEL": "warning",
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
    }
    subprocess.run([sys.executable, *words], cwd=ROOT, env=variables, check=True)


if __name__ == "__main__":
    main()
