"""The whole suite in stages: ``manage.py test`` within a minute, ``manage.py test --all`` for everything.

Each stage is a process of its own, prints as it goes, and is timed. The last line counts everything.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.postgres import postgres

ROOT = Path(__file__).resolve().parent.parent
_NO_TESTS = 5
_IN_PARALLEL = ("-n", "2", "--dist", "worksteal")
# Tables straight from the models: four seconds less for each database. With --all the migrations make them.
_FROM_MODELS = "--nomigrations"
_BOTH_ENGINES = "not long and not browser and not installation"
_QUICK = f"{_BOTH_ENGINES} and not slow"
# Files of which the default tier runs nothing: importing some of them takes seconds.
_APART = re.compile(r"^pytestmark = .*mark\.(?:slow|long|browser|installation)\b", re.MULTILINE)
_SMOKE = re.compile(r"mark\.postgres_smoke\b")
_SERVED = "(browser or installation) and not alone"
_LONG = "long and not browser and not installation"
_MEMORY = Path("/dev/shm")
_LEAST_MEMORY = 4 * 2**30


@dataclass(frozen=True, slots=True)
class Result:
    """What one stage came to.

    Attributes:
        name: the stage.
        seconds: how long it took.
        code: its exit code; 0 is success.
        passed: tests (or checks) that passed.
        failed: tests (or checks) that did not.
        skipped: tests that were not run for a reason.
    """

    name: str
    seconds: float
    code: int
    passed: int
    failed: int
    skipped: int = 0


class Suite:
    """Runs stages one after the other and keeps their results.

    Args:
        folder: a temporary folder for reports and the data folder of the product.
        profile: the size of property tests.
    """

    def __init__(self, folder: Path, profile: str) -> None:
        self.folder = folder
        self.profile = profile
        self.results: list[Result] = []

    def check(self, name: str, *command: str, **variables: str) -> None:
        """Run a tool that is content or not."""
        code, seconds = self._run(name, command, variables)
        self.results.append(Result(name, seconds, code, passed=int(code == 0), failed=int(code != 0)))

    def tests(self, name: str, *options: str, may_be_empty: bool = False, **variables: str) -> None:
        """Run pytest and read its report."""
        report = self.folder / f"{len(self.results)}.xml"
        command = (sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *options)
        code, seconds = self._run(name, command, variables)
        if code == _NO_TESTS and may_be_empty:
            code = 0
        passed, failed, skipped = _counts(report)
        # A run that broke before it could count is a failure all the same.
        self.results.append(Result(name, seconds, code, passed, failed or int(code != 0), skipped))

    def summary(self) -> int:
        """Print one line per stage and the sum; return the exit code."""
        print("\n== summary ==")
        for result in self.results:
            verdict = "ok    " if result.code == 0 else "FAILED"
            counts = f"{result.passed} passed, {result.failed} failed, {result.skipped} skipped"
            print(f"{verdict} {result.seconds:7.1f} s  {result.name}: {counts}")
        print(f"total  {sum(result.seconds for result in self.results):7.1f} s")
        passed, failed, skipped = (
            sum(getattr(result, kind) for result in self.results) for kind in ("passed", "failed", "skipped")
        )
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
        return int(any(result.code for result in self.results))

    def _run(self, name: str, command: Sequence[str], variables: dict[str, str]) -> tuple[int, float]:
        print(f"\n== {name} ==", flush=True)
        began = time.monotonic()
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "controlplane.settings",
            "HYPOTHESIS_PROFILE": self.profile,
            "CONTROLPLANE_NO_BOOTSTRAP": "1",
            "CONTROLPLANE_HOME": str(self.folder / "home"),
            **variables,
        }
        # What belongs to the installation of whoever runs the tests is no business of theirs. And many processes
        # start here: without bytecode each would compile everything again.
        for foreign in {"REDIS_URL", "DATABASE_URL", "PYTHONDONTWRITEBYTECODE"} - set(variables):
            environment.pop(foreign, None)
        done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False)
        return done.returncode, time.monotonic() - began


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments ask for; return the exit code."""
    parser = argparse.ArgumentParser(prog="manage.py test", description=__doc__)
    parser.add_argument("--all", action="store_true", help="everything on both engines: what CI runs")
    engines = ("sqlite", "postgresql", "both")
    parser.add_argument("--engine", choices=engines, default="sqlite", help="where to run chosen tests")
    options, chosen = parser.parse_known_args(arguments)
    # Whoever ends the run shall not leave a database server behind.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="cp-test-", ignore_cleanup_errors=True) as folder:
        suite = Suite(Path(folder), "long" if options.all else "default")
        if chosen:
            _run_chosen(suite, chosen, options.engine)
        elif options.all:
            _run_everything(suite)
        else:
            _run_quick(suite)
        return suite.summary()


def _run_chosen(suite: Suite, chosen: Sequence[str], engine: str) -> None:
    if engine in {"sqlite", "both"}:
        suite.tests("chosen tests on SQLite", *chosen)
    if engine in {"postgresql", "both"}:
        with _engine() as address:
            suite.tests("chosen tests on PostgreSQL", *chosen, DATABASE_URL=address)


def _run_quick(suite: Suite) -> None:
    with ThreadPoolExecutor(1) as threads, contextlib.ExitStack() as stack:
        # PostgreSQL starts while the first stages run.
        starting: Future[str] = threads.submit(stack.enter_context, _engine())
        suite.check("ruff", sys.executable, "-m", "ruff", "check", "--quiet", ".")
        apart = [f"--ignore={path}" for path in _files_with(_APART)]
        suite.tests("tests on SQLite", *_IN_PARALLEL, _FROM_MODELS, "-m", _QUICK, *apart)
        address = starting.result()
        # Collecting all takes longer than the smoke tests do.
        marked = map(str, _files_with(_SMOKE))
        suite.tests(
            "smoke on PostgreSQL", _FROM_MODELS, "-m", f"postgres_smoke and {_QUICK}", *marked, DATABASE_URL=address
        )


def _files_with(pattern: re.Pattern[str]) -> list[Path]:
    return [path for path in sorted(ROOT.glob("tests/**/test_*.py")) if pattern.search(path.read_text())]


def _run_everything(suite: Suite) -> None:
    python = sys.executable
    suite.check("ruff", python, "-m", "ruff", "check", ".")
    suite.check("format", python, "-m", "ruff", "format", "--check", ".")
    suite.check("layers", str(Path(python).with_name("lint-imports")), "--no-cache")
    suite.check("types", python, "-m", "mypy")
    suite.check("migrations", python, "manage.py", "makemigrations", "--check", "--dry-run")
    suite.check("reference pages", python, "manage.py", "reference", "--check")
    with _quick_folder() as base:
        suite.tests("tests on SQLite", *_IN_PARALLEL, *base, "-m", _BOTH_ENGINES)
        suite.tests("long tests on SQLite", *_IN_PARALLEL, *base, "-m", _LONG, may_be_empty=True)
    suite.tests("browser and installation tests on SQLite", *_IN_PARALLEL, "-m", _SERVED, may_be_empty=True)
    suite.tests("timed and killed installations on SQLite", "-m", "alone", may_be_empty=True)
    with _engine() as address:
        suite.tests("tests on PostgreSQL", *_IN_PARALLEL, "-m", f"{_BOTH_ENGINES} and not once", DATABASE_URL=address)
        suite.tests(
            "long tests on PostgreSQL",
            *_IN_PARALLEL,
            "-m",
            f"{_LONG} and not once",
            may_be_empty=True,
            DATABASE_URL=address,
        )


@contextlib.contextmanager
def _engine() -> Iterator[str]:
    """Yield a PostgreSQL: the one that ``TEST_DATABASE_URL`` names, or our own."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
    else:
        with postgres(_MEMORY if _is_quick() else None) as address:
            yield address


def _is_quick() -> bool:
    """Say whether the machine has a folder in memory for databases.

    No test takes the machine's power away, so none needs a disk; and each waits less for one. Kills, locks and files
    are as real there.
    """
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return False
    is_roomy = found.f_bavail * found.f_frsize >= _LEAST_MEMORY
    return is_roomy and not found.f_flag & os.ST_NOEXEC and os.access(_MEMORY, os.W_OK)


@contextlib.contextmanager
def _quick_folder() -> Iterator[tuple[str, ...]]:
    """Yield pytest's options for temporary files in memory, none where that is not to be had."""
    if not _is_quick():
        yield ()
        return
    with tempfile.TemporaryDirectory(prefix="cp-test-", dir=_MEMORY, ignore_cleanup_errors=True) as folder:
        yield (f"--basetemp={folder}/files",)


def _counts(report: Path) -> tuple[int, int, int]:
    try:
        suites = ET.parse(report).getroot().iter("testsuite")
    except (FileNotFoundError, ET.ParseError):
        return 0, 0, 0
    total = failed = skipped = 0
    for found in suites:
        total += int(found.get("tests", 0))
        failed += int(found.get("failures", 0)) + int(found.get("errors", 0))
        skipped += int(found.get("skipped", 0))
    return total - failed - skipped, failed, skipped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
