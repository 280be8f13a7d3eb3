"""PostgreSQL killed under work: one of its processes, and the whole server, which comes up again from its log.

On SQLite whoever writes is the database: it dies in `test_kills`.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection

from tests import postgres
from tests.engines import subprocess_environment
from tests.faults import outside
from tests.faults.killing import judge, report, serving, telling
from tests.faults.test_statements import SEED
from tests.setup.processes import ROOT, eventually

pytestmark = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="on SQLite whoever writes is the database: it dies in test_kills"
)


class Server:
    """A PostgreSQL of our own, which may die."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="cp-pg-"))
        self.owner = postgres._unprivileged() if os.geteuid() == 0 else None
        self.programs = postgres._package() / "pginstall" / "bin"
        if self.owner:
            self.programs = postgres._copy_programs(self.home)
            os.chown(self.home, self.owner.pw_uid, self.owner.pw_gid)
        postgres._initialise(self.owner, self.programs, self.home)
        self.life = contextlib.ExitStack()

    @property
    def address(self) -> str:
        """For ``DATABASE_URL``."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.home), safe='')}"

    def start(self) -> None:
        """Start, or start again: what the dead one left has to end first."""
        for tries_left in reversed(range(20)):
            self.life = contextlib.ExitStack()
            try:
                self.life.enter_context(postgres._running(self.owner, self.programs, self.home))
            except RuntimeError:
                if not tries_left:
                    raise
                time.sleep(0.25)
            else:
                return

    def kill(self) -> None:
        """Kill the server's first process; the others notice and end."""
        os.kill(int((self.home / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        self.life.close()

    def kill_one_backend(self, chance: random.Random) -> bool:
        """Kill a process that serves a connection of the product: the server throws all others out and recovers."""
        with contextlib.suppress(psycopg.Error, ProcessLookupError):
            with psycopg.connect(self.address, application_name="killer") as live:
                rows = live.execute(
                    "SELECT pid FROM pg_stat_activity WHERE application_name = 'controlplane' ORDER BY pid"
                ).fetchall()
            if rows:
                os.kill(chance.choice(rows)[0], signal.SIGKILL)
                return True
        return False

    def end(self) -> None:
        """End it for good."""
        self.life.close()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    try:
        found.start()
        yield found
    finally:
        found.end()


@pytest.mark.parametrize("wanted", [pytest.param(2, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.long)])
def test_a_killed_database_loses_nothing_that_was_acknowledged(wanted: int, server: Server, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    environment = subprocess_environment(DATABASE_URL=server.address, CONTROLPLANE_LOG_LEVEL="error")
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
    killed: Counter[str] = Counter()
    with serving(tmp_path, environment, seed=SEED) as (port, _):
        way_in = outside.build(environment, port)
        with telling(way_in, seed=SEED) as (ledger, crowd):
            while killed.total() < wanted:
                before = sum(caller.told for caller in crowd)
                eventually(
                    lambda before=before: ledger.odd or sum(each.told for each in crowd) >= before + 3, seconds=60
                )
                assert not ledger.odd, ledger.odd[0]
                time.sleep(chance.random() * 0.05)
                if killed.total() % 2:
                    server.kill()
                    server.start()
                    killed["server"] += 1
                elif server.kill_one_backend(chance):
                    killed["backend"] += 1
            seen = sum(caller.told for caller in crowd)
            eventually(lambda: ledger.odd or sum(each.told for each in crowd) >= seen + 4, seconds=60)
    found = outside.check(environment, ledger, tmp_path)
    report("PostgreSQL itself", f"{killed.total()} kills {dict(killed)}", ledger, found, seed=SEED)
    judge(ledger, found)
    assert ledger.broken >= wanted
