"""Beat and the worker show signs of life; one that stalls is seen."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kombu.exceptions import OperationalError

from controlplane import environment
from controlplane.operating import heartbeats
from controlplane.operating.heartbeats import BEAT, LANE, PROCESSES, SENDER, WORKER, Pulse, Watch, judge
from controlplane.schedule import SCHEDULE
from controlplane.supervisor import plans
from tests.operating.image import lay_out
from tests.ports import free_port
from tests.setup.processes import ROOT, eventually, needs_proc, none_left, noted
from tests.setup.test_up import Installation


def pulses(beat: int | None, worker: int | None) -> tuple[str, str]:
    seconds = {BEAT: beat, WORKER: worker}
    seen = judge({name: None if age is None else age * 1000 for name, age in seconds.items()})
    return seen[0].pulse.value, seen[1].pulse.value


@pytest.mark.parametrize(
    ("beat", "worker", "expected"),
    [
        (1, 1, ("ok", "ok")),
        (5, 30, ("ok", "ok")),
        (5, 31, ("ok", "stalled")),
        (31, 31, ("stalled", "ok")),
        (100, 99, ("stalled", "ok")),
        (100, 200, ("stalled", "stalled")),
        (None, None, ("unseen", "unseen")),
        (1, None, ("ok", "unseen")),
        (None, 50, ("unseen", "ok")),
    ],
)
def test_silence_is_laid_at_the_right_door(beat: int | None, worker: int | None, expected: tuple[str, str]) -> None:
    assert pulses(beat, worker) == expected


@pytest.mark.parametrize(("age", "expected"), [(0, "ok"), (30_999, "stalled"), (30_000, "ok"), (None, "unseen")])
def test_the_lane_answers_for_itself(age: int | None, expected: str) -> None:
    seen = judge({BEAT: None, WORKER: None, LANE: age})
    assert (seen[2].name, seen[2].pulse.value) == (LANE, expected)


@pytest.mark.parametrize(
    ("beat", "age", "expected"),
    [
        (0, 60_000, "ok"),
        (0, 61_000, "stalled"),
        (100_000, 150_000, "ok"),
        (100_000, 170_000, "stalled"),
        (0, None, "unseen"),
    ],
)
def test_the_sender_may_take_as_long_as_its_slowest_call(beat: int, age: int | None, expected: str) -> None:
    seen = judge({BEAT: beat, WORKER: 0, LANE: 0, SENDER: age})
    assert (seen[3].name, seen[3].pulse.value) == (SENDER, expected)


def test_beat_speaks_often_enough() -> None:
    entry = SCHEDULE[heartbeats.TASK]
    assert entry["schedule"] == heartbeats.EVERY_SECONDS
    assert heartbeats.EVERY_SECONDS * 3 < heartbeats.LONGEST_SILENCE_SECONDS
    assert heartbeats.LONGEST_SILENCE_SECONDS + heartbeats.EVERY_SECONDS < 90
    assert heartbeats.LONGEST_SENDING_SECONDS + heartbeats.EVERY_SECONDS < 90


def test_watch_never_raises_and_asks_seldom() -> None:
    asked = []

    def away() -> dict[str, int | None]:
        asked.append(1)
        raise ConnectionError("redis://user:secret@broker")

    watch = Watch(away, kept_seconds=60)
    assert {seen.pulse for seen in watch.seen() + watch.seen()} == {Pulse.UNKNOWN}
    assert len(asked) == 1
    assert all("secret" not in seen.words for seen in watch.seen())


def test_a_broker_that_is_away_is_noticed_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(OperationalError), heartbeats.broker("redis://127.0.0.1:1/0") as client:
        client.ping()
    assert time.monotonic() - began < 2


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    found = Installation(home=tmp_path / "home", port=free_port())
    with none_left(*found.marks):
        yield found
    shutil.rmtree(found.socket_folder, ignore_errors=True)


_COUNTED = {'controlplane_task_runs_total{result="success",task="operating.heartbeat"}'}


def metrics(installation: Installation) -> str:
    return httpx.get(f"{installation.url}/metrics", timeout=60).text


def parts(installation: Installation) -> dict[str, Any]:
    try:
        found: dict[str, Any] = httpx.get(f"{installation.url}/readyz", timeout=10).json()["parts"]
    except httpx.TransportError:
        return {}
    return {name: part["state"] for name, part in found.items()}


@needs_proc
@pytest.mark.installation
@pytest.mark.alone
@pytest.mark.parametrize("name", PROCESSES)
def test_stopped_process_shows_within_90_seconds(installation: Installation, name: str) -> None:
    running = installation.up()
    eventually(lambda: set(parts(installation).values()) == {"ok"}, seconds=120)
    # Counted by the worker's processes once the task has ended, told by the web's.
    eventually(lambda: set(re.findall(r"^(\S+) ", metrics(installation), re.MULTILINE)) >= _COUNTED, seconds=60)
    assert 'controlplane_background_up{process="worker"} 1.0' in metrics(installation)

    group = os.getpgid(noted(installation.home)[name])
    os.killpg(group, signal.SIGSTOP)
    eventually(lambda: parts(installation).get(name, "ok") not in {"ok", "the broker is away"}, seconds=90)
    assert httpx.get(f"{installation.url}/readyz", timeout=60).status_code == 503
    assert httpx.get(f"{installation.url}/healthz", timeout=60).status_code == 200
    alive = subprocess.run(
        [sys.executable, "manage.py", "alive", name], cwd=ROOT, env=installation.variables, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert alive.returncode == 1
    assert name in alive.stderr
    # The other one is not blamed.
    assert {part for part, state in parts(installation).items() if state != "ok"} == {name}

    os.killpg(group, signal.SIGCONT)
    eventually(lambda: parts(installation).get(name) == "ok", seconds=120)
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=60) == 0


@needs_proc
@pytest.mark.installation
@pytest.mark.alone
def test_each_process_runs_alone_as_in_containers(installation: Installation, tmp_path: Path) -> None:
    """What compose does, without containers: the image's files, prepared once, then each process by its own command."""
    image = tmp_path / "image"
    image.mkdir()
    lay_out(image)
    broker = plans.broker(_environment(installation))
    processes = [subprocess.Popen(broker.command, cwd=broker.folder, env=installation.variables)]
    variables = {**installation.variables, "REDIS_URL": _environment(installation).broker_url}

    def manage(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, cwd=image, env=variables, capture_output=True, text=True, check=False)

    too_early = manage("up", "--only", "worker")
    assert too_early.returncode == 1
    assert "Run `manage.py prepare` first" in too_early.stderr
    prepared = manage("prepare")
    assert "one-time password" in prepared.stdout, prepared.stderr
    assert "one-time password" not in manage("prepare").stdout

    def start(role: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "manage.py", "up", "--only", role]
        with (tmp_path / f"{role}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=image, env=variables, stderr=log)

    running = {role: start(role) for role in plans.ROLES}

    def all_ok() -> bool:
        for role, process in running.items():
            if process.poll() is not None:
                # As `restart: unless-stopped` does.
                print(f"{role} ended with {process.returncode}:", (tmp_path / f"{role}.log").read_text())
                running[role] = start(role)
        return set(parts(installation).values()) == {"ok"}

    try:
        eventually(all_ok, seconds=120)
    except AssertionError:
        print(parts(installation), *((tmp_path / f"{role}.log").read_text()[-2_000:] for role in plans.ROLES))
        raise
    processes += running.values()
    assert httpx.get(f"{installation.url}/login/", timeout=60).status_code == 200
    assert {path.name for path in (installation.home / "metrics").iterdir()} == set(plans.ROLES)
    assert {manage("alive", name).returncode for name in PROCESSES} == {0}
    for process in reversed(processes):
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _environment(installation: Installation) -> environment.Environment:
    return environment.read(installation.variables)
