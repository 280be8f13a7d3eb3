"""A restore that is killed: ``python -m tests.operating.dying NUMBER FUNCTIONS restore ARCHIVE …``.

It dies by SIGKILL before the line of that number, counted from 1, among the lines of the restore's own modules in the
order in which it comes to them; only lines of the named functions count, or of all where ``all`` stands. Under 0 it
lives, and says at its end how many lines there are.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from types import FrameType
from typing import Any

from tests.setup.processes import ROOT

_FOLDER = ROOT / "controlplane" / "operating" / "backup"
_FILES = frozenset(str(_FOLDER / name) for name in ("incoming.py", "restoring.py"))


class Death:
    """Counts lines, and kills this process before one of them.

    Args:
        number: of the line; 0 for none.
        functions: whose lines count; all where empty.
    """

    def __init__(self, number: int, functions: frozenset[str]) -> None:
        self.number = number
        self.functions = functions
        self.seen: set[tuple[str, int]] = set()

    def watch(self, frame: FrameType, event: str, _argument: Any) -> Any:
        """Trace what counts."""
        code = frame.f_code
        if code.co_filename not in _FILES or (self.functions and code.co_name not in self.functions):
            return None
        if event == "line":
            self.seen.add((code.co_filename, frame.f_lineno))
            if len(self.seen) == self.number:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.watch


def main(number: str, functions: str, *command: str) -> None:
    """Run the command."""
    death = Death(int(number), frozenset() if functions == "all" else frozenset(functions.split(",")))
    sys.argv = ["manage.py", *command]
    sys.settrace(death.watch)
    runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")
    sys.settrace(None)
    print(f"lines: {len(death.seen)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
