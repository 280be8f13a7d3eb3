"""A served installation keeps its own secrets to itself: on disk, in the broker, in logs, on command lines."""

from __future__ import annotations

import json
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.docs.blocks import ROOT, Block
from tests.docs.walking import Walk, reader
from tests.setup.processes import needs_proc

PASSWORD = "correct horse canary staple"
SAMPLE = ROOT / "tests" / "samples" / "n8n" / "executions-waiting.json"
COMPANY = (ROOT / "tests" / "journeys" / "example.yaml").read_text()
# What the reader of the walk keeps beside the installation.
HARNESS = frozenset({"executions.json", ".exported"})
PEOPLE = {"talent-lead": "owner", "talent-reviewer": "reviewer", "second-reviewer": "reviewer"}


def run(walk: Walk, command: str) -> str:
    return walk.run(Block(0, "sh", command, None), "here")


def places(walk: Walk) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the installation, what its processes said, and their command lines."""
    for path in sorted(walk.folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name not in HARNESS:
            yield str(path.relative_to(walk.folder)), path.read_bytes()
    home = walk.environment["CONTROLPLANE_HOME"].encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if home in (process / "environ").read_bytes():
                yield f"command line of {process.name}", (process / "cmdline").read_bytes()
        except OSError:
            continue


@needs_proc
@pytest.mark.installation
def test_no_secret_of_the_installation_leaves_it(tmp_path: Path) -> None:
    canaries = {name: secrets.token_hex(32) for name in ("SECRET_KEY", "METRICS_TOKEN")}
    pepper = secrets.token_hex(32)
    fernet = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    with reader(tmp_path) as walk:
        walk.environment |= {f"CONTROLPLANE_{name}": value for name, value in canaries.items()}
        walk.environment |= {"CONTROLPLANE_KEY_PEPPERS": f"p1:{pepper}", "CONTROLPLANE_ENCRYPTION_KEYS": fernet}
        log = walk.up("here")
        one_time = re.search(r"one-time password .*: (\S+)", log)
        assert one_time
        for name, role in PEOPLE.items():
            run(walk, f"echo '{PASSWORD}' | python3 manage.py createuser {name} --role {role} --password-stdin")
        (tmp_path / "company.yaml").write_text(COMPANY)
        run(walk, "python3 manage.py apply company.yaml --by admin")
        issue = "python3 manage.py issue_key job-applier --environment production --scopes act,ingest --by admin"
        key = run(walk, issue).splitlines()[-1]
        (tmp_path / "executions.json").write_text(SAMPLE.read_text())
        run(walk, "python3 manage.py import_n8n job-applier executions.json --environment production --by admin")
        tokens = set(re.findall(r'"resumeToken": *"([^"]+)"', SAMPLE.read_text()))
        assert tokens
        base = f"http://127.0.0.1:{walk.port}"
        call(base, key, canaries["METRICS_TOKEN"])

        wanted = {**canaries, "pepper": pepper, "encryption key": fernet, "password": PASSWORD, "agent key": key}
        wanted |= {f"resume token {number}": token for number, token in enumerate(sorted(tokens))}
        looked = dict(places(walk))
        assert any(name.startswith("command line") for name in looked)
        assert any(name.endswith("sqlite3") for name in looked)
        assert any(name.startswith("var/broker") for name in looked)
        told = {
            (name, what) for name, text in looked.items() for what, secret in wanted.items() if secret.encode() in text
        }
        assert told == set()
        # The one password that is told on purpose is told there alone.
        assert {name for name, text in looked.items() if one_time.group(1).encode() in text} == {"up.log"}
        # The harness sees a secret where one is.
        (tmp_path / "leak").write_text(pepper)
        assert [name for name, text in places(walk) if pepper.encode() in text] == ["leak"]


def call(base: str, key: str, token: str = "") -> None:
    """Use the secrets as they are meant, and as they are not; `token` opens the metrics."""
    body = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/apply"}}
    proof = {"Authorization": f"Bearer {key}", "Idempotency-Key": "one"}
    asked = httpx.post(f"{base}/api/v1/actions", json=body, headers=proof, timeout=60)
    assert json.loads(asked.text)["effect"] == "allow"
    # In places where no key belongs.
    assert httpx.get(f"{base}/api/v1/self", params={"key": key}, timeout=60).status_code == 401
    assert httpx.get(f"{base}/{key}/", timeout=60).status_code in {302, 404}
    if token:
        assert httpx.get(f"{base}/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code == 200
    with httpx.Client(base_url=base, timeout=60) as client:
        client.get("/login/")
        form = {"username": PASSWORD, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        assert client.post("/login/", data=form, headers={"Referer": f"{base}/login/"}).status_code < 500
