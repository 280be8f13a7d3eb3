"""What a thousand waiting long polls cost: ``python -m tests.benchmarks.waiting [--engines sqlite postgresql]``.

Prints the lane's memory without and with them, decisions' p50 and p99 on the web server without and with them (rounds
in turn, the best of each), and how long after a commit a waiting client has its answer. Fails on no time.
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
from typing import Any

from tests.benchmarks import load
from tests.benchmarks.decisions import ROOT, _environment, _requests, served
from tests.ports import free_port
from tests.postgres import postgres

WAITERS, WOKEN, ROUNDS, CONNECTIONS = 1_000, 50, 3, 16
_HOLD = (
    "import django, json, sys; django.setup(); from tests.benchmarks.waiting import hold; "
    "sys.stdout.write('\\n' + json.dumps(hold(json.load(sys.stdin))))"
)
_HELD = """
queues: {bench: {reviewers: [bench], quorum: 1, ttl: 24h}}
policies:
  held: {mode: enforce, rules: [{review: {name: mail, verb: email.send, queue: bench}}]}
"""


def hold(keys: list[str]) -> list[dict[str, str]]:
    """Have actions held, in equal parts by every agent; return their ids and the keys that may ask for them."""
    from audit import sql
    from controlplane import gateway
    from controlplane.apply import apply_document
    from registry.authentication import authenticate
    from registry.models import User

    apply_document(text=_HELD, by=User.objects.get(username="admin"), now=sql.now())
    held = []
    body = json.dumps({"verb": "email.send", "payload": {"to": ["jane@acme.com"], "body": "Dear Jane"}}).encode()
    for number in range(WAITERS + WOKEN):
        key = keys[number % len(keys)]
        principal = authenticate(key, now=sql.now())
        assert principal is not None
        answer = gateway.ask(principal=principal, key=f"held-{number}", raw=body)
        assert answer.effect == "review", answer
        held.append({"id": str(answer.id), "key": key})
    return held


@contextlib.contextmanager
def lane(url: str, home: Path) -> Iterator[tuple[int, int]]:
    """Run the lane beside a served world; yield its port and its process id."""
    port = free_port()
    environment = {**_environment(home, url, port - 1), "CONTROLPLANE_LANE_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "controlplane.lane"], cwd=ROOT, env=environment)
    try:
        ends = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
                    break
            except (urllib.error.URLError, OSError):
                if time.monotonic() > ends or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


class Waiters:
    """The clients that wait, in their process.

    Args:
        order: `tests.benchmarks.waiters`.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.waiters"], cwd=ROOT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.ask(json.dumps(order)) == "ready"

    def ask(self, words: str) -> str:
        """Say one line, return the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self) -> dict[str, Any]:
        """End them; return what they saw."""
        seen: dict[str, Any] = json.loads(self.ask("quit"))
        self.process.wait()
        return seen


def megabytes(pid: int) -> float:
    """Return a process's resident memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def seconds_of_cpu(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def settle(pid: int, *, most: float = 30.0) -> None:
    """Wait until the lane has given everybody their first answer and only waits: opening is not waiting."""
    ends = time.monotonic() + most
    while time.monotonic() < ends:
        before = seconds_of_cpu(pid)
        time.sleep(1)
        if seconds_of_cpu(pid) - before < 0.15:
            return


def run(engine: str, url: str, seconds: float) -> None:
    """Measure on one engine and print."""
    home = Path(tempfile.mkdtemp(prefix="bench-"))
    url = url or f"sqlite:///{home}/bench.sqlite3"
    try:
        with served(url, home) as (web, keys), lane(url, home) as (port, pid):
            environment = _environment(home, url, web)
            made = subprocess.run(
                [sys.executable, "-c", _HOLD], cwd=ROOT, env=environment, check=True, input=json.dumps(keys),
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            held = json.loads(made.stdout.splitlines()[-1])
            _report(engine, web, port, pid, keys, held, seconds)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _report(
    engine: str, web: int, port: int, pid: int, keys: list[str], held: list[dict[str, str]], seconds: float
) -> None:
    asks = _requests(keys)
    without, waiting = [], []
    # Every thread has answered once before anything is measured: its connection and modules are no waiter's cost.
    for one in held[:WOKEN]:
        asked = urllib.request.Request(  # this machine's own server
            f"http://127.0.0.1:{port}/api/v1/actions/{one['id']}", headers={"Authorization": f"Bearer {one['key']}"}
        )
        urllib.request.urlopen(asked, timeout=10).close()
    empty = megabytes(pid)
    full = cpu = 0.0
    latencies: list[float] = []
    asked_again = 0
    for number in range(ROUNDS):
        without.append(
            load.measure(port=web, path="/api/v1/actions", connections=CONNECTIONS, seconds=seconds, requests=asks)
        )
        waiters = Waiters(
            {"web": web, "lane": port, "actions": held[WOKEN:] if number < ROUNDS - 1 else held[:WAITERS]}
        )
        settle(pid)
        full = max(full, megabytes(pid))
        before = seconds_of_cpu(pid)
        began = time.monotonic()
        waiting.append(
            load.measure(port=web, path="/api/v1/actions", connections=CONNECTIONS, seconds=seconds, requests=asks)
        )
        cpu = max(cpu, (seconds_of_cpu(pid) - before) / (time.monotonic() - began))
        full = max(full, megabytes(pid))
        if number == ROUNDS - 1:
            latencies = sorted(json.loads(waiters.ask(f"wake {WOKEN}")))
        seen = waiters.end()
        asked_again += seen["asked"] - WAITERS
        assert not seen["odd"], seen["odd"]
    best = [min(rounds, key=lambda one: one.p99) for rounds in (without, waiting)]
    sys.stdout.write(
        f"\n{engine}: {WAITERS} long polls wait, {CONNECTIONS} connections ask for decisions\n"
        f"  the lane's memory     {empty:7.1f} MB without, {full:7.1f} MB with: {full - empty:6.1f} MB for them\n"
        f"  the lane's processor  {100 * cpu:7.1f} % of one core while they wait ({asked_again} asked again)\n"
    )
    for words, one in zip(("without", "with"), best, strict=True):
        sys.stdout.write(
            f"  decisions {words:<12}{one.rate:7.0f}/s  p50 {one.p50:6.2f} ms  p99 {one.p99:6.2f} ms  {one.statuses}\n"
        )
    sys.stdout.write(
        f"  p99 with / without    {best[1].p99 / best[0].p99:7.2f}\n"
        f"  answered after commit {latencies[len(latencies) // 2]:7.0f} ms median, {latencies[-1]:.0f} ms at most "
        f"({len(latencies)} withdrawals)\n"
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
