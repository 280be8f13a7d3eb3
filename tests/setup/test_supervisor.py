"""The supervisor with toy processes: healing, order of ending, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controlplane.environment import for_children
from controlplane.supervisor import home, processes
from tests.setup.processes import ROOT, alive, eventually, needs_proc, none_left, noted

pytestmark = needs_proc
Start = Callable[[], "subprocess.Popen[str]"]
# broker, steady and its child, slow, the guard, the supervisor
EVERYBODY = 6


@pytest.fixture
def mark(tmp_path: Path) -> str:
    return f"TOY_HOME={tmp_path}"


@pytest.fixture
def start(tmp_path: Path, mark: str) -> Iterator[Start]:
    def run() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.setup.supervise", str(tmp_path)],
            cwd=ROOT, env=for_children(TOY_HOME=str(tmp_path)), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    with none_left(mark):
        yield run


def _all_run(mark: str) -> Callable[[], bool]:
    return lambda: len(alive(mark)) == EVERYBODY


def test_ctrl_c_lets_work_finish_and_ends_the_broker_last(start: Start, tmp_path: Path, mark: str) -> None:
    supervisor = start()
    eventually(_all_run(mark))
    eventually(lambda: (tmp_path / "slow.works").exists() and (tmp_path / "broker.works").exists())
    supervisor.send_signal(signal.SIGINT)
    said, _ = supervisor.communicate(timeout=30)
    assert supervisor.returncode == 0
    assert alive(mark) == []
    assert (tmp_path / "order").read_text() == "last"
    assert said.splitlines()[0] == "ready"
    assert said.splitlines()[-1] == "stopped"


def test_second_ctrl_c_does_not_wait(start: Start, tmp_path: Path, mark: str) -> None:
    (tmp_path / "slow.takes").write_text("50")
    supervisor = start()
    eventually(_all_run(mark))
    eventually((tmp_path / "slow.works").exists)
    supervisor.send_signal(signal.SIGTERM)
    eventually(lambda: "steady" not in noted(tmp_path))
    supervisor.send_signal(signal.SIGTERM)
    supervisor.communicate(timeout=30)
    assert alive(mark) == []
    assert not (tmp_path / "slow.done").exists()


def test_killed_child_is_started_again_and_its_children_die(start: Start, tmp_path: Path, mark: str) -> None:
    start()
    eventually(_all_run(mark))
    # Noted right after the start, and not by it.
    eventually(lambda: {"steady", "slow"} <= noted(tmp_path).keys())
    before = noted(tmp_path)
    everybody = set(alive(mark))
    os.kill(before["steady"], signal.SIGKILL)
    eventually(lambda: noted(tmp_path).get("steady") not in {None, before["steady"]} and len(alive(mark)) == EVERYBODY)
    # The new one has a new child, so the old one's is gone: two of the old processes are not there any more.
    assert len(everybody - set(alive(mark))) == 2
    assert noted(tmp_path)["slow"] == before["slow"]


def test_kill_of_the_supervisor_leaves_nothing(start: Start, tmp_path: Path, mark: str) -> None:
    supervisor = start()
    eventually(_all_run(mark))
    eventually(lambda: {"broker", "steady", "slow"} <= noted(tmp_path).keys())
    supervisor.kill()
    supervisor.wait()
    eventually(lambda: alive(mark) == [])


def test_kill_of_guard_and_supervisor_is_swept_by_the_next_start(start: Start, tmp_path: Path, mark: str) -> None:
    supervisor = start()
    eventually(_all_run(mark))
    eventually(lambda: {"broker", "steady", "slow"} <= noted(tmp_path).keys())
    left = set(noted(tmp_path).values())
    guard = next(pid for pid in alive(mark) if b"guard.py" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(supervisor.pid, signal.SIGSTOP)
    os.kill(guard, signal.SIGKILL)
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    assert left <= set(alive(mark))
    start()
    eventually(_all_run(mark))
    assert not left & set(alive(mark))


def test_guard_that_was_killed_is_replaced(start: Start, mark: str) -> None:
    supervisor = start()
    eventually(_all_run(mark))
    guard = next(pid for pid in alive(mark) if b"guard.py" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(guard, signal.SIGKILL)
    eventually(lambda: guard not in alive(mark) and len(alive(mark)) == EVERYBODY)
    supervisor.kill()
    supervisor.wait()
    eventually(lambda: alive(mark) == [])


def test_second_supervisor_is_refused(tmp_path: Path) -> None:
    with home.occupy(tmp_path), pytest.raises(home.Occupied, match=str(os.getpid())), home.occupy(tmp_path):
        pass
    with home.occupy(tmp_path):
        pass


def test_sweep_leaves_a_stranger_with_the_same_id_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        note = f'[{{"name": "web", "pid": {stranger.pid}, "birth": "1"}}]'
        (tmp_path / "run" / "processes.json").write_text(note)
        assert home.sweep(tmp_path) == []
        assert stranger.poll() is None
        home.remember(tmp_path, {"web": stranger.pid})
        assert home.sweep(tmp_path) == ["web"]
        assert stranger.wait(timeout=5) == -signal.SIGKILL
    finally:
        stranger.kill()


def test_back_off_doubles_up_to_half_a_minute() -> None:
    assert [processes.back_off(failures) for failures in range(1, 12)] == [
        0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0, 30.0,
    ]  # fmt: skip


def test_describe_end_names_signals() -> None:
    assert processes.describe_end(-9) == "was ended by SIGKILL"
    assert processes.describe_end(3) == "ended with code 3"
