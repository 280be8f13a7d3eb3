"""A restore that is killed leaves nothing open of what was open when the backup was made."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import is_sqlite
from tests.journeys.installation import Installation
from tests.operating.elsewhere import PHRASE, Elsewhere, run
from tests.operating.test_backup import (  # noqa: F401 - fixtures
    _recorded_migrations,
    back_up,
    installation,
    place,
)
from tests.ports import free_port
from tests.setup.processes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

_SECRETS = ("--with-secrets", "--passphrase-stdin")
_STARTS = (("prepare",), ("up",), ("up", "--only", "web"), ("up", "--only", "worker"), ("backup", "second.tar.gz"))


@pytest.fixture
def archive(installation: Installation, tmp_path: Path) -> Path:  # noqa: F811 - the fixture
    path = tmp_path / "backup.tar.gz"
    assert back_up(path, *_SECRETS, stdin=PHRASE).returncode == 0
    return path


def restored(variables: dict[str, str], number: int, functions: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Restore there, to be killed before a line; see `tests.operating.dying`."""
    command = [sys.executable, "-m", "tests.operating.dying", str(number), functions, "restore", *_SECRETS, *options]
    return subprocess.run(
        command, cwd=ROOT, env=variables, input=PHRASE, capture_output=True, text=True, check=False
    )  # fmt: skip


@pytest.mark.parametrize(
    ("functions", "every"),
    [
        pytest.param("restore", 3, id="steps"),
        pytest.param(
            "restore,taken_in,_in_postgres,_in_draft,_rename,put_in_place", 4, id="lines",
            marks=pytest.mark.long(minutes=2),
        ),
    ],
)  # fmt: skip
def test_killed_anywhere_nothing_is_open_on_what_can_be_started(
    functions: str,
    every: int,
    archive: Path,
    place: Elsewhere,  # noqa: F811 - the fixture
) -> None:
    here = {**place.variables, "CONTROLPLANE_PORT": str(free_port()), "CONTROLPLANE_LANE_PORT": str(free_port())}
    # The second one replaces an installation, as all those do that follow, and comes to the same lines.
    for _ in range(2):
        whole = restored(here, 0, functions, str(archive), "--force")
        assert whole.returncode == 0, whole.stderr
    lines = int(whole.stdout.rpartition("lines: ")[2])
    # From behind: the last ones stand between a database that is there and one that may be used.
    places = [
        (number, functions) for number in sorted(range(lines, lines // 3 if functions == "restore" else 0, -every))
    ]
    assert len(places) >= 4
    # At last where all is restored, and only the mark stands in the way.
    for at in (*places, (1, "put_in_place")):
        killed = restored(here, *at, str(archive), "--force")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        standing = json.loads(place.tell("standing"))
        if not standing["unfinished"]:
            state = standing["state"]
            assert (state["sessions"], "issued" in state["grants"]) == (0, False), at
            assert set(state["commands"]) == {"expired"}, at
            # An installation, and not an empty place where a new one would be made.
            assert state["approvals"] == ["approved", "pending"], at
    assert standing["unfinished"] is not is_sqlite()
    for command in () if is_sqlite() else _STARTS:
        done = run(here, *command)
        assert (done.returncode, "has not come to its end" in done.stderr) == (1, True), (command, done.stderr)
    # What is left of a restore is no installation that would have to be spared.
    again = restored(here, 0, functions, str(archive), *(("--force",) if is_sqlite() else ()))
    assert again.returncode == 0, again.stderr
    assert "trail: intact" in again.stdout
    assert list(place.home.glob(".*")) == []
    assert not json.loads(place.tell("standing"))["unfinished"]
