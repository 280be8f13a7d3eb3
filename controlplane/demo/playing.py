"""Starting the demonstration's agent as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from django.conf import settings

PLAYER = Path(__file__).resolve().parent / "player.py"
MOST_SECONDS = 60


def play(*, key: str) -> subprocess.CompletedProcess[str]:
    """Let the agent play against the running installation, over HTTP.

    Args:
        key: text of its key; handed over on standard input.

    Returns:
        The finished process with what it said.
    """
    # The child gets nothing of our environment: it is an agent, not a part of us.
    return subprocess.run(
        [sys.executable, "-I", str(PLAYER), settings.PUBLIC_URL],
        input=f"{key}\n",
        capture_output=True,
        text=True,
        env={},
        timeout=MOST_SECONDS,
        check=False,
    )
