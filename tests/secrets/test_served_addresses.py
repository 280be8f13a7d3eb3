"""An installation on a PostgreSQL and a broker with passwords keeps both to itself, when all is well and when not."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from controlplane.supervisor.plans import find_broker
from tests.docs.walking import reader
from tests.operating.elsewhere import with_programs
from tests.ports import free_port
from tests.postgres import _package, postgres
from tests.secrets.test_installation import COMPANY, PASSWORD, PEOPLE, call, places, run
from tests.setup.processes import eventually, needs_proc


@contextlib.contextmanager
def broker(folder: Path, password: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Yield the address of a broker that wants a password; it learns it from its input, not from its arguments."""
    port = free_port()
    server = subprocess.Popen(
        [find_broker(), "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=folder,
    )  # fmt: skip
    try:
        assert server.stdin
        server.stdin.write(f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\n')
        server.stdin.close()
        yield f"redis://:{password}@127.0.0.1:{port}/0", server
    finally:
        server.kill()
        server.wait()


def noting(folder: Path) -> str:
    """Make a `pg_dump` that writes its arguments down and then is the real one; return its folder."""
    folder.mkdir()
    program = folder / "pg_dump"
    real = _package() / "pginstall" / "bin" / "pg_dump"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$0" "$@" >> "{folder}/arguments"\nexec "{real}" "$@"\n')
    program.chmod(0o755)
    return str(folder)


@needs_proc
@pytest.mark.once
@pytest.mark.installation
def test_no_password_of_an_address_leaves_the_environment(tmp_path: Path) -> None:
    wanted = {name: secrets.token_hex(20) for name in ("database", "broker")}
    (tmp_path / "cache").mkdir()
    (tmp_path / "here").mkdir()
    with (
        postgres() as address,
        broker(tmp_path / "cache", wanted["broker"]) as (cache, server),
        reader(tmp_path / "here") as walk,
    ):
        walk.environment = with_programs(walk.environment)
        walk.environment["PATH"] = f"{noting(tmp_path / 'bin')}:{walk.environment['PATH']}"
        walk.environment |= {
            "DATABASE_URL": address.replace("postgres@", f"postgres:{wanted['database']}@"),
            "REDIS_URL": cache,
            "CONTROLPLANE_LOG_LEVEL": "debug",
        }
        walk.up("here")
        for name, role in PEOPLE.items():
            run(walk, f"echo '{PASSWORD}' | python3 manage.py createuser {name} --role {role} --password-stdin")
        (walk.folder / "company.yaml").write_text(COMPANY)
        run(walk, "python3 manage.py apply company.yaml --by admin")
        issue = "python3 manage.py issue_key job-applier --environment production --scopes act,ingest --by admin"
        key = run(walk, issue).splitlines()[-1]
        base = f"http://127.0.0.1:{walk.port}"
        call(base, key)
        said = {
            "check": run(walk, "python3 manage.py check --database default 2>&1"),
            "backup": run(walk, "python3 manage.py backup out.tar.gz 2>&1"),
        }
        looked = {name: text.decode("utf-8", "replace") for name, text in places(walk)}
        assert sum(name.startswith("command line") for name in looked) >= 3
        # The broker goes away: whoever needs it complains.
        server.kill()
        answer = eventually(
            lambda: found if (found := httpx.get(f"{base}/readyz", timeout=60)).status_code == 503 else None
        )
        said["/readyz"] = answer.text
        assert answer.json()["parts"]["broker"]["state"] == "unavailable"
        eventually(lambda: "refused" in (walk.folder / "up.log").read_text())
        said["/metrics"] = httpx.get(f"{base}/metrics", timeout=60).text
        said["a page"] = httpx.get(f"{base}/login/", timeout=60).text
        said["log"] = (walk.folder / "up.log").read_text()
        said["arguments of pg_dump"] = (tmp_path / "bin" / "arguments").read_text()
    assert "--format=custom" in said["arguments of pg_dump"]
    texts = looked | said
    assert {(name, what) for name, text in texts.items() for what, secret in wanted.items() if secret in text} == set()
