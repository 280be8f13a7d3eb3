"""``manage.py up``, really: a data folder, four processes and a browser's view of them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from celery import Celery

from controlplane import environment
from controlplane.addresses import celery_url
from tests.ports import free_port
from tests.setup.processes import ROOT, alive, eventually, needs_proc, none_left, noted

pytestmark = [needs_proc, pytest.mark.installation, pytest.mark.alone]


@dataclass
class Installation:
    """One data folder and the environment that leads to it."""

    home: Path
    port: int

    @property
    def variables(self) -> dict[str, str]:
        own = {"CONTROLPLANE_HOME": str(self.home), "CONTROLPLANE_PORT": str(self.port)}
        other = {name: text for name, text in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        return {**other, **own, "CONTROLPLANE_NO_BOOTSTRAP": "1"}

    @property
    def socket_folder(self) -> Path:
        return environment.read(self.variables).broker_socket.parent

    def alive(self) -> list[int]:
        """Return the processes that belong to it."""
        return alive(*self.marks)

    @property
    def marks(self) -> tuple[str, str]:
        return str(self.home), str(self.socket_folder)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> subprocess.Popen[str]:
        """Start, and return once the login page is served."""
        command = [sys.executable, "manage.py", "up"]
        log = (self.home.parent / "up.log").open("a")
        process = subprocess.Popen(command, cwd=ROOT, env=self.variables, stdout=log, stderr=log, text=True)
        eventually(lambda: process.poll() is not None or self.said("ready: "), seconds=120)
        assert process.poll() is None, self.log()
        return process

    def log(self) -> str:
        """Everything said so far."""
        return (self.home.parent / "up.log").read_text()

    def said(self, words: str) -> bool:
        """Whether the words were said."""
        return words in self.log()

    def worker_answers(self) -> bool:
        """Whether a task could be done now: broker and worker both live."""
        broker = environment.read(self.variables).broker_url
        app = Celery(broker=celery_url(broker), set_as_current=False)
        try:
            return bool(app.control.ping(timeout=0.5))
        except app.connection_for_write().connection_errors:
            return False


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    found = Installation(home=tmp_path / "home", port=free_port())
    with none_left(*found.marks):
        yield found
    shutil.rmtree(found.socket_folder, ignore_errors=True)


def test_up_serves_heals_and_ends_without_a_trace(installation: Installation) -> None:
    running = installation.up()

    login = httpx.get(f"{installation.url}/login/", timeout=60)
    assert login.status_code == 200
    assets = re.findall(r'(?:href|src)="(/static/[^"]+)"', login.text)
    assert assets
    assert {httpx.get(installation.url + path, timeout=60).status_code for path in assets} == {200}
    assert "immutable" in httpx.get(installation.url + assets[0], timeout=60).headers["Cache-Control"]
    assert "http" not in re.sub(r"http://www\.w3\.org/\S+", "", login.text).replace("http-equiv", "")

    again = subprocess.run(
        [sys.executable, "manage.py", "up"], cwd=ROOT, env=installation.variables, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert again.returncode == 1
    assert f"Another `up` (process {running.pid})" in again.stderr

    eventually(installation.worker_answers)
    assert noted(installation.home)["broker"] in installation.alive()
    for name in ("web", "lane", "worker", "sender", "beat", "broker"):
        before = noted(installation.home)[name]
        os.kill(before, signal.SIGKILL)
        eventually(lambda name=name, before=before: noted(installation.home).get(name) not in {None, before})
    eventually(installation.worker_answers)
    eventually(lambda: _ready(installation))

    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=60) == 0
    assert installation.alive() == []


def test_second_start_is_quick_and_names_no_password(installation: Installation) -> None:
    first = installation.up()
    assert installation.log().count("one-time password") == 1
    first.send_signal(signal.SIGTERM)
    first.wait(timeout=60)
    (installation.home.parent / "up.log").unlink()

    began = time.monotonic()
    second = installation.up()
    assert time.monotonic() - began <= 10
    assert not installation.said("one-time password")

    eventually(installation.worker_answers)
    second.kill()
    second.wait()
    eventually(lambda: installation.alive() == [])


def test_up_on_a_taken_port_says_so(installation: Installation) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", str(installation.port), "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as squatter:  # fmt: skip
        eventually(lambda: _listens(installation))
        done = subprocess.run(
            [sys.executable, "manage.py", "up"], cwd=ROOT, env=installation.variables, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        squatter.kill()
    assert done.returncode == 1
    assert f"Port {installation.port} on 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_bad_setting_stops_the_start_without_a_traceback(installation: Installation) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "up"], cwd=ROOT, env={**installation.variables, "CONTROLPLANE_PORT": "eighty"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("CONTROLPLANE_PORT: 'eighty' is not valid")
    assert not installation.home.exists()


def test_command_on_a_database_that_is_not_prepared_says_so(installation: Installation) -> None:
    nowhere = {"DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"}
    for variables, words in (
        ({}, f"CONTROLPLANE_HOME is {installation.home}"),
        (nowhere, "The database cannot be used: connection failed"),
    ):
        done = subprocess.run(
            [sys.executable, "manage.py", "export", "--by", "admin"], cwd=ROOT,
            env={**installation.variables, **variables}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert words in done.stderr


def _listens(installation: Installation) -> bool:
    try:
        return bool(httpx.get(installation.url))
    except httpx.TransportError:
        return False


def _ready(installation: Installation) -> bool:
    try:
        return httpx.get(f"{installation.url}/readyz", timeout=10).status_code == 200
    except httpx.TransportError:
        return False
