"""A served provider, agents in processes of their own, and the people who decide meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from approvals.models import ApprovalRequest
from tests.protocols.aap.agents.common import QUIET
from tests.protocols.aap.scene import MAIL

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Process:
    """An agent's process."""

    running: subprocess.Popen[str]

    def end(self) -> dict[str, str]:
        """Wait for it; return what it said."""
        said, complaints = self.running.communicate(timeout=PATIENCE)
        assert self.running.returncode == 0, complaints[-4000:]
        found: dict[str, str] = json.loads(said.splitlines()[-1])
        return found


@dataclass(frozen=True, slots=True)
class Station:
    """Where agents of one framework are started.

    Attributes:
        framework: module in `tests.protocols.aap.agents`.
        base: the provider's AAP base URL.
        token: the agent's key.
        folder: their common folder: a restart finds what was left.
    """

    framework: str
    base: str
    token: str
    folder: Path

    def start(self, *, mode: str = "sync", submission: Any = MAIL, wake: str = "") -> Process:
        """Start one."""
        order = {
            "base": self.base, "token": self.token, "mode": mode, "tool": submission["tool"],
            "arguments": submission["arguments"], "folder": str(self.folder), "wake": wake,
        }  # fmt: skip
        module = f"tests.protocols.aap.agents.{self.framework}"
        return Process(
            subprocess.Popen(
                [sys.executable, "-m", module, json.dumps(order)], cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **QUIET},
            )
        )  # fmt: skip

    def run(self, **options: Any) -> dict[str, str]:
        """Start one and wait for its end."""
        return self.start(**options).end()

    @property
    def effects(self) -> list[str]:
        """What the tool has done."""
        path = self.folder / "effects"
        return path.read_text().splitlines() if path.exists() else []


def until(look: Callable[[], Any]) -> Any:
    """Look until there is something; return it."""
    ends = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < ends, "nothing came"
        time.sleep(0.02)
    return found


def waiting() -> str:
    """Return the request that waits for people, once there is one."""
    held: ApprovalRequest = until(lambda: ApprovalRequest.objects.open().first())
    return str(held.decision_id)
