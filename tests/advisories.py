"""Known weaknesses in what the locks pin: ``python -m tests.advisories``.

It asks the advisory service of the package index, so it is no part of the tests: exit 0 says that the service was
asked and knows none, 1 that it knows some, 3 that it could not be asked. Nothing is ever green unasked.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-uv.lock")
NOT_ASKED = 3
# pip-audit is content, with exit code 0, where the index knows none of the packages: whoever reads its code alone
# takes an index that has no advisories for good news.
_SKIPPED = "could not be audited"
_NONE_KNOWN = "No known vulnerabilities found"
_SOME_KNOWN = re.compile(r"Found \d+ known vulnerabilit")


def verdict(code: int, said: str) -> int:
    """Return our exit code for one lock.

    Args:
        code: pip-audit's.
        said: everything it said.
    """
    if code and _SOME_KNOWN.search(said):
        return 1
    return 0 if code == 0 and _NONE_KNOWN in said and _SKIPPED not in said else NOT_ASKED


def main(command: tuple[str, ...] = (sys.executable, "-m", "pip_audit")) -> int:
    """Ask about each lock, print what is said, return the gravest answer."""
    answers = []
    for lock in LOCKS:
        options = ("--requirement", str(ROOT / lock), "--no-deps", "--disable-pip", "--progress-spinner", "off")
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        answers.append(verdict(done.returncode, said))
        word = {0: "asked, none known", 1: "WEAKNESSES KNOWN", NOT_ASKED: "NOT ASKED: the service cannot be reached"}
        print(f"== {lock}: {word[answers[-1]]} ==")
        print("\n".join(said.strip().splitlines()[-20:]))
    return 1 if 1 in answers else max(answers)


if __name__ == "__main__":
    sys.exit(main())
