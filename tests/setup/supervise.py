"""A supervisor of toy processes, run by the tests as a program: ``supervise.py HOME``.

``steady`` has a child of its own that ignores SIGTERM, as web servers and workers have children; ``slow`` takes a
moment to finish its work, or as many seconds as ``slow.takes`` says; ``broker`` notes when it was told to end.
"""

from __future__ import annotations

import sys
from pathlib import Path

from controlplane.supervisor import home, loop
from controlplane.supervisor.processes import Plan

_STEADY = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
time.sleep(600)
"""
_SLOW = """
import pathlib, signal, time
def finish(*_):
    takes = pathlib.Path("slow.takes")
    time.sleep(float(takes.read_text()) if takes.exists() else 0.7); pathlib.Path("slow.done").touch(); raise SystemExit
signal.signal(signal.SIGTERM, finish)
pathlib.Path("slow.works").touch()
time.sleep(600)
"""
_BROKER = """
import pathlib, signal, time
def finish(*_):
    pathlib.Path("order").write_text("last" if pathlib.Path("slow.done").exists() else "too early"); raise SystemExit
signal.signal(signal.SIGTERM, finish)
pathlib.Path("broker.works").touch()
time.sleep(600)
"""


def main(folder: Path) -> None:
    """Supervise until told to end."""
    programs = {"broker": _BROKER, "steady": _STEADY, "slow": _SLOW}
    plans = [
        Plan(name=name, command=(sys.executable, "-c", program), folder=folder, patience_seconds=60)
        for name, program in programs.items()
    ]
    with home.occupy(folder):
        for name in home.sweep(folder):
            print("swept", name, flush=True)
        loop.Supervisor(
            plans=plans,
            folder=folder,
            is_ready=lambda: True,
            when_ready=lambda: print("ready", flush=True),
            say=lambda words: print(words, flush=True),
        ).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
