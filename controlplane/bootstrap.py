"""From a bare Python to a ready ``.venv``: standard library only, since nothing else is there yet.

The packages and their hashes come from the lock files beside ``manage.py``. A pinned ``uv`` installs them fast; where
it can't, plain ``pip`` does the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BASE_LOCK = "requirements.lock"
TEST_LOCK = "requirements-test.lock"
_INSTALLER_LOCK = "requirements-uv.lock"
_STRICTLY = ("--require-hashes", "--only-binary", ":all:")


def ensure(root: Path, *, for_tests: bool = False) -> None:
    """Return inside an environment that holds the locked packages; make it and run again in it if need be.

    ``CONTROLPLANE_NO_BOOTSTRAP=1`` leaves the environment to whoever called.

    Args:
        root: folder of ``manage.py`` and the locks.
        for_tests: whether the tools of the tests are needed too.
    """
    if os.environ.get("CONTROLPLANE_NO_BOOTSTRAP") == "1":
        return
    venv = root / ".venv"
    lock = root / (TEST_LOCK if for_tests else BASE_LOCK)
    if not _is_installed(venv, lock):
        with _alone(venv):
            # Another process may have done it while this one waited.
            if not _is_installed(venv, lock):
                _install(root, venv, lock)
    if Path(sys.prefix).resolve() != venv.resolve():
        sys.stdout.flush()
        python = str(_python(venv))
        os.execv(python, [python, *sys.argv])  # noqa: S606  # our own interpreter, no shell wanted


def _python(venv: Path) -> Path:
    return venv / "bin" / "python"


def _stamp(venv: Path, lock: Path) -> Path:
    return venv / f".installed-{lock.stem}"


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _is_installed(venv: Path, lock: Path) -> bool:
    try:
        return _stamp(venv, lock).read_text() == _digest(lock) and _python(venv).exists()
    except FileNotFoundError:
        return False


def _install(root: Path, venv: Path, lock: Path) -> None:
    began = time.monotonic()
    if not _python(venv).exists():
        _say(f"making {venv.name} with Python {sys.version_info.major}.{sys.version_info.minor}")
        # Not --clear: the folder already holds the file that keeps a second set-up waiting.
        if _run(sys.executable, "-m", "venv", str(venv)):
            sys.exit(
                "Python could not make a virtual environment. "
                "On Debian and Ubuntu its module is a package of its own: apt install python3-venv"
            )
    count = sum("==" in line for line in lock.read_text().splitlines())
    _say(f"installing {count} locked packages (the first time takes a while)")
    if _install_with_uv(root, venv, lock) and _install_with_pip(venv, lock):
        sys.exit(
            "The packages could not be installed; the installer's words stand above. "
            "Is there a way to a package index from here?"
        )
    _stamp(venv, lock).write_text(_digest(lock))
    if lock.name == TEST_LOCK:
        # It holds everything of the base lock, at the same versions.
        base = root / BASE_LOCK
        _stamp(venv, base).write_text(_digest(base))
    _say(f"set-up done in {time.monotonic() - began:.0f} s")


def _install_with_uv(root: Path, venv: Path, lock: Path) -> int:
    uv = venv / "bin" / "uv"
    installer = root / _INSTALLER_LOCK
    if not _is_installed(venv, installer):
        if _pip(venv, installer, "--quiet"):
            _say("uv is not to be had here; going on with pip, which is slower")
            return 1
        _stamp(venv, installer).write_text(_digest(installer))
    # Compiled now, since each start of each process would compile anew where nobody lets Python write its own files.
    options = ("--python", str(_python(venv)), "--compile-bytecode", *_STRICTLY)
    code = _run(str(uv), "pip", "install", *options, "--requirement", str(lock))
    if code:
        _say("uv did not succeed; trying with pip")
    return code


def _install_with_pip(venv: Path, lock: Path) -> int:
    return _pip(venv, lock, "--progress-bar", "on")


def _pip(venv: Path, lock: Path, *options: str) -> int:
    return _run(
        str(_python(venv)), "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
        *_STRICTLY, *options, "--requirement", str(lock),
    )  # fmt: skip


def _run(*command: str) -> int:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    except KeyboardInterrupt:
        sys.exit(130)


@contextmanager
def _alone(venv: Path) -> Iterator[None]:
    venv.mkdir(exist_ok=True)
    with (venv / ".set-up").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another set-up in this folder")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(words: str) -> None:
    print(f"set-up: {words}", file=sys.stderr, flush=True)
