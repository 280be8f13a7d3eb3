"""Decisions per second over HTTP, beside what Django, DRF, the ORM and bare SQL do in the same run.

``python -m tests.benchmarks.decisions [--engines sqlite postgresql] [--seconds 5]``. Every decision and its
trail entry are committed with fsync on before the answer. Prints ratios; fails on no time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from controlplane import environment as settings_environment
from controlplane.supervisor import plans
from tests.benchmarks import load, script
from tests.ports import free_port
from tests.postgres import postgres

ROOT = Path(__file__).resolve().parents[2]
_BUILD = (
    "import django, json, sys; django.setup(); from tests.benchmarks.world import build; "
    "sys.stdout.write('\\n' + json.dumps(build()))"
)


def _environment(home: Path, url: str, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "CONTROLPLANE_HOME": str(home),
        "CONTROLPLANE_PORT": str(port),
        "CONTROLPLANE_NO_BOOTSTRAP": "1",
        "CONTROLPLANE_LOG_LEVEL": "warning",
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
    }


@contextlib.contextmanager
def served(url: str, home: Path) -> Iterator[tuple[int, list[str]]]:
    """Build the world in a fresh database and serve it; yield the port and the agents' keys."""
    port = free_port()
    environment = _environment(home, url, port)
    prepare = "from controlplane import environment, keyring; keyring.ensure(environment.read())"
    subprocess.run([sys.executable, "-c", prepare], cwd=ROOT, env=environment, check=True)
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True)
    built = subprocess.run(
        [sys.executable, "-c", _BUILD], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    keys = json.loads(built.stdout.splitlines()[-1])
    # As `up` serves it, with its own number of threads.
    plan = plans.web(settings_environment.read(environment), ROOT)
    server = subprocess.Popen(plan.command, cwd=ROOT, env=environment)
    try:
        _wait(port)
        yield port, keys
    finally:
        server.terminate()
        server.wait()


def _wait(port: int) -> None:
    ends = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/bench/hello", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > ends:
                raise


def _requests(keys: list[str]) -> list[dict[str, object]]:
    body = json.dumps({"verb": "form.submit", "payload": script.PAYLOAD}, separators=(",", ":"))
    return [
        {"headers": {"Authorization": f"Bearer {key}", "Idempotency-Key": "bench-{n}"}, "body": body} for key in keys
    ]


def run(engine: str, url: str, seconds: float) -> None:
    """Measure everything on one engine and print it."""
    home = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with served(url or f"sqlite:///{home}/bench.sqlite3", home) as (port, keys):
            _report(engine, port, keys, seconds, url or f"sqlite:///{home}/bench.sqlite3")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _report(engine: str, port: int, keys: list[str], seconds: float, url: str) -> None:
    asks = _requests(keys)
    public_ids = [key.split("_")[2] for key in keys]
    for connections in (1, 16):
        rows = {
            "decision (this product)": ("/api/v1/actions", asks),
            "(a) plain Django hello": ("/bench/hello", None),
            "(b) DRF hello": ("/bench/drf", None),
            "(d) DRF + ORM, same writes": ("/bench/orm", asks),
        }
        measured = {
            name: load.measure(port=port, path=path, connections=connections, seconds=seconds, requests=sent)
            for name, (path, sent) in rows.items()
        }
        bare = script.measure(url, public_ids, threads=connections, seconds=seconds)
        ours = measured["decision (this product)"]
        sys.stdout.write(f"\n{engine}, {connections} connection{'s' if connections > 1 else ''}\n")
        for name, one in measured.items():
            sys.stdout.write(
                f"  {name:<32}{one.rate:9.0f}/s  p50 {one.p50:7.2f} ms  p99 {one.p99:7.2f} ms"
                f"   ours is {ours.rate / one.rate:5.2f} of it   {one.statuses}\n"
            )
        sys.stdout.write(
            f"  {'(c) straight-line SQL, no HTTP':<32}{bare:9.0f}/s{'':37}ours is {ours.rate / bare:5.2f} of it\n"
        )
        sys.stdout.flush()


def main() -> None:
    """Read the options and measure each engine."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--engines", nargs="+", default=["sqlite", "postgresql"])
    options.add_argument("--seconds", type=float, default=5.0)
    chosen = options.parse_args()
    for engine in chosen.engines:
        if engine == "sqlite":
            run(engine, "", chosen.seconds)
        else:
            with postgres() as url:
                run(engine, url, chosen.seconds)


if __name__ == "__main__":
    main()
