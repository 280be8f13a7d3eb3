"""Follows a page of the documentation as a reader would: its files written, its commands run in their order."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.docs.blocks import ROOT, Block, blocks
from tests.ports import free_port

_DOCUMENTED = "127.0.0.1:8000"
# Read by people or by tests of their own (`test_words`), not run here.
READ_ONLY = frozenset({"{toctree}", "docker", "properties"})
_UP = re.compile(r"python3 manage\.py up( .*)?")


@dataclass
class Walk:
    """One reader at one page.

    Attributes:
        folder: an empty folder with ``manage.py`` in it.
        port: where the reader's installation listens instead of the documented port.
        served: the installation's process, once it runs.
    """

    folder: Path
    port: int = 0
    served: subprocess.Popen[bytes] | None = None
    ran: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    def follow(self, page: Path) -> None:
        """Do what the page says, block by block.

        Raises:
            AssertionError: a command fails, or says something else than the page.
        """
        said: str | None = None
        for block in blocks(page):
            where = f"{page.relative_to(ROOT)}:{block.line}"
            if block.file is not None:
                self._write(block)
                said = None
            elif block.language in READ_ONLY:
                continue
            elif block.language == "sh":
                said = self.run(block, where)
            elif block.language == "step":
                self._step(block.text, where)
                said = None
            elif block.language == "yaml":
                said = self._apply(block, where)
            elif block.language in {"json", "text"}:
                assert said is not None, f"{where}: an answer must follow the command that gives it"
                compare(block, said, where)
                said = None
            else:
                raise AssertionError(f"{where}: no test knows how to run “{block.language}”")

    def close(self) -> None:
        """End the installation."""
        if self.served is not None:
            self.served.send_signal(signal.SIGINT)
            self.served.wait(timeout=60)

    def _write(self, block: Block) -> None:
        path = self.folder / str(block.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._here(block.text))

    def run(self, block: Block, where: str) -> str:
        """Run a block of shell; return what it said."""
        if _UP.fullmatch(block.text.strip()):
            return self.up(where)
        script = f"{self._exported()}set -eu\n{self._here(block.text)}\ndeclare -px > .exported\n"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{where}: exit {done.returncode}\n{block.text}\n{done.stdout}\n{done.stderr}"
        self.ran += 1
        return done.stdout

    def _exported(self) -> str:
        # The shell's exported variables outlive a block, as in a reader's terminal.
        return f". {self.folder}/.exported\n" if (self.folder / ".exported").exists() else ""

    def _apply(self, block: Block, where: str) -> str:
        (self.folder / "block.yaml").write_text(block.text)
        command = "python3 manage.py apply block.yaml --by admin --dry-run"
        return self.run(Block(block.line, "sh", command, None), where)

    def up(self, where: str) -> str:
        """Start the installation; return what it said until it was ready."""
        log = self.folder / "up.log"
        with log.open("wb") as output:
            self.served = subprocess.Popen(
                ["bash", "-c", f"{self._exported()}exec python3 manage.py up"], cwd=self.folder, env=self.environment,
                stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        until = time.monotonic() + 90
        while not _answers(f"http://127.0.0.1:{self.port}/readyz"):
            alive = self.served.poll() is None and time.monotonic() < until
            assert alive, f"{where}: {log.read_text()}"
            time.sleep(0.1)
        self.ran += 1
        return log.read_text()

    def _step(self, step: str, where: str) -> None:
        """Take a step that the page asks of a person."""
        script = Path(__file__).with_name("steps.py")
        command = f"READER=$PWD python3 {shlex.quote(str(script))} {step}"
        self.run(Block(0, "sh", command, None), where)

    def _here(self, text: str) -> str:
        return text.replace(_DOCUMENTED, f"127.0.0.1:{self.port}")


@contextlib.contextmanager
def reader(folder: Path) -> Iterator[Walk]:
    """Yield a reader in an empty folder with a free port."""
    (folder / "manage.py").symlink_to(ROOT / "manage.py")
    port = free_port()
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TZ") if name in os.environ}
    walk = Walk(folder, port)
    walk.environment = {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "CONTROLPLANE_NO_BOOTSTRAP": "1",
        "CONTROLPLANE_HOME": str(folder / "var"),
        "CONTROLPLANE_PORT": str(port),
    }
    try:
        yield walk
    finally:
        walk.close()


def compare(block: Block, said: str, where: str) -> None:
    """Hold a documented answer against the real one.

    JSON: every documented member is there, and equal, except where the page writes ``…``. Text: equal, ``…`` standing
    for anything.

    Raises:
        AssertionError: they differ.
    """
    if block.language == "json":
        real = json.loads(said)
        difference = next(_differences(json.loads(block.text), real, ""), None)
        assert difference is None, f"{where}: {difference}\n{json.dumps(real, indent=2)}"
    else:
        pattern = ".*?".join(re.escape(part) for part in block.text.strip().split("…"))
        assert re.fullmatch(pattern, said.strip(), re.DOTALL), f"{where}: the page says\n{block.text}\nit says\n{said}"


def _differences(shown: Any, real: Any, pointer: str) -> Iterator[str]:
    if isinstance(shown, str) and "…" in shown:
        pattern = ".*".join(re.escape(part) for part in shown.split("…"))
        if not re.fullmatch(pattern, str(real), re.DOTALL):
            yield f"{pointer}: {real!r} is not like {shown!r}"
    elif isinstance(shown, dict) and isinstance(real, dict):
        for name, value in shown.items():
            if name not in real:
                yield f"{pointer}/{name}: is not there"
            else:
                yield from _differences(value, real[name], f"{pointer}/{name}")
    elif isinstance(shown, list) and isinstance(real, list):
        if len(shown) != len(real):
            yield f"{pointer}: {len(real)} elements"
        for index, (one, other) in enumerate(zip(shown, real, strict=False)):
            yield from _differences(one, other, f"{pointer}/{index}")
    elif shown != real:
        yield f"{pointer}: {real!r}, not {shown!r}"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
