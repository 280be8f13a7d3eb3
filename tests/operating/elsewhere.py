"""A second, empty installation on the engine of the tests, for what is restored into it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from django.db import connection

from tests.engines import is_sqlite, subprocess_environment
from tests.postgres import _package
from tests.setup.processes import ROOT

PHRASE = "a passphrase for tests"
_TELL = "import django; django.setup(); from tests.operating.telling import main; main()"
_SECRETS = ("CONTROLPLANE_SECRET_KEY", "CONTROLPLANE_KEY_PEPPERS", "CONTROLPLANE_ENCRYPTION_KEYS")


def with_programs(variables: dict[str, str]) -> dict[str, str]:
    """Put PostgreSQL's client programs of the test lock onto the path."""
    return {**variables, "PATH": f"{_package() / 'pginstall' / 'bin'}{os.pathsep}{variables['PATH']}"}


def here() -> dict[str, str]:
    """Return the environment in which a command works on the test database."""
    return with_programs(subprocess_environment())


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where it lies.

    Attributes:
        home: its data folder.
        database: its address; empty for the SQLite file in its home.
    """

    home: Path
    database: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment that leads to it; it holds no secret of the first installation."""
        known = {name: text for name, text in here().items() if name not in {*_SECRETS, "DATABASE_URL"}}
        own = {"CONTROLPLANE_HOME": str(self.home), **({"DATABASE_URL": self.database} if self.database else {})}
        return {**known, **own}

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a management command there."""
        return run(self.variables, *command, stdin=stdin)

    def tell(self, *arguments: str) -> str:
        """Run `tests.operating.telling` there."""
        self.home.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", _TELL, *arguments],
            cwd=ROOT, env=self.variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def run(variables: dict[str, str], *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a management command."""
    return subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=variables, input=stdin, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@contextmanager
def elsewhere(folder: Path) -> Iterator[Elsewhere]:
    """Yield an empty place."""
    if is_sqlite():
        yield Elsewhere(folder / "elsewhere", "")
        return
    name = f"elsewhere_{uuid4().hex[:8]}"
    live = str(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        yield Elsewhere(
            folder / "elsewhere", subprocess_environment()["DATABASE_URL"].replace(f"/{live}?", f"/{name}?")
        )
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
