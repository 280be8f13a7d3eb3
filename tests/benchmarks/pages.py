"""How long the server takes for each page of the console, by role, on generated data.

``python -m tests.benchmarks.pages [--runs 100000] [--repeat 5] [--postgres] [--only WORD]``. Builds an SQLite file
(with ``--postgres`` a PostgreSQL of the test lock), pours a month of work into it, asks for every page by Django's
own client, and prints median and p95 in milliseconds, queries and the size of the HTML. The bars: 100 ms, 200 KB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import django

from tests.postgres import postgres

ROOT = Path(__file__).resolve().parents[2]
SLOWEST_MS, LARGEST_KB = 100.0, 200.0


@dataclass(frozen=True, slots=True)
class Timing:
    """What one page cost one role."""

    role: str
    name: str
    median: float
    p95: float
    queries: int
    kilobytes: float

    @property
    def over(self) -> bool:
        """Whether a bar is missed."""
        return self.median > SLOWEST_MS or self.kilobytes > LARGEST_KB


def _environment(home: Path, url: str) -> dict[str, str]:
    return {
        **os.environ,
        "CONTROLPLANE_HOME": str(home),
        "CONTROLPLANE_NO_BOOTSTRAP": "1",
        "CONTROLPLANE_LOG_LEVEL": "error",
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
    }


def _run(url: str, arguments: list[str]) -> int:
    home = Path(tempfile.mkdtemp(prefix="pages-"))
    environment = _environment(home, url or f"sqlite:///{home}/pages.sqlite3")
    try:
        for command in (
            ["-c", "from controlplane import environment, keyring; keyring.ensure(environment.read())"],
            ["manage.py", "collectstatic", "--noinput", "--verbosity", "0"],
            ["manage.py", "migrate", "--verbosity", "0"],
        ):
            subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, check=True)
        inner = [sys.executable, "-m", "tests.benchmarks.pages", "--inside", *arguments]
        return subprocess.run(inner, cwd=ROOT, env=environment, check=False).returncode
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _inside(runs: int, repeat: int, only: str) -> None:
    django.setup()
    # What needs Django's apps can be imported only now.
    from tests.benchmarks import page_times

    began = time.perf_counter()
    world, wanted = page_times.build(runs)
    wanted = [place for place in wanted if only in place.url]
    sys.stdout.write(f"{page_times.engine()}: {runs:,} runs in {time.perf_counter() - began:.0f} s\n")
    sys.stdout.write(f"{'page':<52}{'role':<10}{'median':>9}{'p95':>9}{'queries':>9}{'KB':>8}\n")
    timings: list[Timing] = []
    for role, name, times, queries, size in page_times.ask(world, wanted, repeat):
        ordered = sorted(times)
        timing = Timing(
            role,
            name,
            statistics.median(ordered),
            ordered[max(0, round(len(ordered) * 0.95) - 1)],
            queries,
            size / 1024,
        )
        timings.append(timing)
        mark = "  over" if timing.over else ""
        sys.stdout.write(
            f"{name:<52}{role:<10}{timing.median:>6.1f} ms{timing.p95:>6.1f} ms"
            f"{queries:>9}{timing.kilobytes:>8.1f}{mark}\n"
        )
        sys.stdout.flush()
    slow = [timing for timing in timings if timing.over]
    middle = statistics.median(timing.median for timing in timings) if timings else 0.0
    sys.stdout.write(f"{len(timings)} pages, median of medians {middle:.1f} ms, {len(slow)} over a bar\n")


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=100_000)
    options.add_argument("--repeat", type=int, default=5)
    options.add_argument("--only", default="", help="pages whose address holds this word")
    options.add_argument("--postgres", action="store_true")
    options.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.inside:
        _inside(chosen.runs, chosen.repeat, chosen.only)
        return
    arguments = ["--runs", str(chosen.runs), "--repeat", str(chosen.repeat), "--only", chosen.only]
    if chosen.postgres:
        with postgres() as url:
            sys.exit(_run(url, arguments))
    sys.exit(_run("", arguments))


if __name__ == "__main__":
    main()
