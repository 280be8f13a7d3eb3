"""A whole installation under work, whose web server, worker, beat and broker are killed one after the other."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import outside
from tests.faults.killing import judge, report, telling
from tests.faults.stories import Caller
from tests.faults.test_statements import SEED
from tests.ports import free_port
from tests.setup.processes import ROOT, eventually, needs_proc, none_left, noted
from tests.setup.test_up import Installation

KILLS = 15
# "server" is the parent of the web server's processes, "web" one of these.
ROLES = ("web", "server", "worker", "broker", "beat", "lane")

pytestmark = [needs_proc, pytest.mark.installation, pytest.mark.alone]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    found = Installation(home=tmp_path / "home", port=free_port())
    with none_left(*found.marks):
        yield found
    shutil.rmtree(found.socket_folder, ignore_errors=True)


def _victim(installation: Installation, role: str) -> int:
    server = noted(installation.home)["web"]
    if role != "web":
        return server if role == "server" else noted(installation.home)[role]
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return int(children[-1]) if children else server


def _told(crowd: list[Caller]) -> int:
    return sum(caller.told for caller in crowd)


def test_killed_processes_of_an_installation_lose_nothing(installation: Installation, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    running = installation.up()
    environment = installation.variables
    way_in = outside.build(environment, installation.port)
    killed: Counter[str] = Counter()
    with telling(way_in, seed=SEED, callers=3) as (ledger, crowd):
        for number in range(KILLS):
            # Every role has its turn; work goes on between two kills.
            role = ROLES[number % len(ROLES)]
            before = _told(crowd)
            eventually(lambda before=before: ledger.odd or _told(crowd) >= before + 1 + chance.randrange(4), seconds=60)
            assert not ledger.odd, ledger.odd[0]
            name = "web" if role == "server" else role
            old = noted(installation.home).get(name)
            victim = _victim(installation, role)
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                killed[role] += 1
            if role != "web":
                eventually(lambda name=name, old=old: noted(installation.home).get(name) not in {None, old}, seconds=60)
        seen = _told(crowd)
        eventually(lambda: ledger.odd or _told(crowd) >= seen + 6, seconds=60)
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=60) == 0
    found = outside.check(environment, ledger, tmp_path)
    report("an installation", f"{killed.total()} kills {dict(killed)}", ledger, found, seed=SEED)
    judge(ledger, found)
    assert killed.total() == KILLS
    assert ledger.broken
    verified = subprocess.run(
        [sys.executable, "manage.py", "audit_verify"], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr
