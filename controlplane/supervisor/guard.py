"""A process that outlives the supervisor by a moment, to end what a killed supervisor leaves behind.

It runs alone, without the product. Its arguments are the groups that it watches from the start; it reads ``+GROUP``
and ``-GROUP`` lines from its standard input, whose other end only the supervisor holds. When that end closes, however
the supervisor died, every group still on the list is killed.
Asking the kernel to do it (a parent-death signal) reaches children only, not theirs, and exists on Linux alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main() -> None:
    """Watch standard input until it ends, then kill."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups = {int(word) for word in sys.argv[1:]}
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
