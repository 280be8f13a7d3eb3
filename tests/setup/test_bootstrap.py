"""The bootstrap: any Python ends up inside the locked environment, once and quickly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.setup.processes import ROOT

PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from controlplane import bootstrap
bootstrap.ensure(Path({folder!r}), for_tests="test" in sys.argv)
print(sys.prefix, *sys.argv[1:])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with locks, a program and an environment that holds what the base lock says."""
    (tmp_path / "requirements.lock").write_text("a==1 --hash=sha256:00\n")
    (tmp_path / "requirements-test.lock").write_text("b==1 --hash=sha256:00\n")
    (tmp_path / "requirements-uv.lock").write_text("c==1 --hash=sha256:00\n")
    (tmp_path / "run.py").write_text(PROGRAM.format(root=str(ROOT), folder=str(tmp_path)))
    return tmp_path


def _run(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PIP_NO_INDEX": "1", "UV_OFFLINE": "1", **variables}
    if "CONTROLPLANE_NO_BOOTSTRAP" not in variables:
        environment.pop("CONTROLPLANE_NO_BOOTSTRAP", None)
    command = [sys.executable, str(project / "run.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _install(project: Path, lock: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(project / ".venv")], check=True)
    program = (
        "import pathlib, sys; from controlplane import bootstrap as b; lock = pathlib.Path(sys.argv[1]); "
        "b._stamp(lock.parent / '.venv', lock).write_text(b._digest(lock))"
    )
    subprocess.run([sys.executable, "-c", program, str(project / lock)], cwd=ROOT, check=True)


def test_installed_lock_is_used_at_once(project: Path) -> None:
    _install(project, "requirements.lock")
    # Without pip in its environment, whatever wanted to install would fail.
    done = _run(project, "up", "with space")
    assert done.stdout.split() == [str(project / ".venv"), "up", "with", "space"]
    assert done.stderr == ""


def test_switch_leaves_the_environment_alone(project: Path) -> None:
    done = _run(project, "up", CONTROLPLANE_NO_BOOTSTRAP="1")
    assert done.stdout.split()[0] == sys.prefix
    assert not (project / ".venv").exists()


@pytest.mark.parametrize(("lock", "command"), [("requirements.lock", "test"), ("requirements-test.lock", "up")])
def test_missing_packages_are_asked_for_and_told_if_absent(project: Path, lock: str, command: str) -> None:
    _install(project, lock)
    (project / lock).write_text("changed==2 --hash=sha256:00\n")
    done = _run(project, command)
    assert done.returncode == 1
    assert "installing 1 locked packages" in done.stderr
    assert "could not be installed" in done.stderr
    assert done.stdout == ""


def test_bootstrap_needs_the_standard_library_only() -> None:
    program = "import sys; sys.path.insert(0, '.'); from controlplane import bootstrap; print('django' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_locks_hold_hashes_and_no_addresses() -> None:
    for path in ROOT.glob("*.lock"):
        text = path.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert "--index" not in text


def test_test_lock_is_a_superset_of_the_base_lock() -> None:
    def pins(name: str) -> set[str]:
        return {line.split(" ")[0] for line in (ROOT / name).read_text().splitlines() if "==" in line[:80]}

    assert pins("requirements.lock") < pins("requirements-test.lock")
