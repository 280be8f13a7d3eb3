"""The pictures of the README and the documentation: ``python -m tests.pictures``.

They are taken by the browser test that a stranger's first minutes are (`tests.journeys.test_stranger_in_browser`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Take them; return the test's exit code."""
    folder = ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    test = "tests/journeys/test_stranger_in_browser.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", test]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PICTURES": str(folder)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
