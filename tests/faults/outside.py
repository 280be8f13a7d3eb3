"""Building and checking a stage in another installation than the test's own: by a process of that installation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.faults.books import Findings
from tests.faults.stories import Doors, Ledger
from tests.setup.processes import ROOT


def build(environment: dict[str, str], port: int) -> Doors:
    """Build the stage there; return how to get in."""
    return Doors(host="127.0.0.1", port=port, **_run(environment, "build"))


def check(environment: dict[str, str], ledger: Ledger, folder: Path) -> Findings:
    """Hold the ledger against the database there."""
    path = folder / "ledger.json"
    path.write_text(ledger.as_json(), encoding="utf-8")
    return Findings(**_run(environment, "check", str(path)))


def _run(environment: dict[str, str], *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.inside", *words],
        cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT), "CONTROLPLANE_LOG_LEVEL": "error"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
