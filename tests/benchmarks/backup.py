"""How long a backup and a restore take: ``python -m tests.benchmarks.backup [ENTRIES]``, in a scratch folder on SQLite.

The trail is the largest part of an installation that works, so the database is filled with that many trail entries.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_ENTRIES = 100_000
_FILL = """
import sys, django; django.setup()
from django.db import transaction
from audit import sql
from audit.actors import System
from audit.operations import record, seal
for start in range(0, int(sys.argv[1]), 5000):
    with transaction.atomic():
        for number in range(start, min(start + 5000, int(sys.argv[1]))):
            record(kind="bench", object_type="bench", object_id=str(number), by=System("bench"), now=sql.now(),
                   details={"number": number})
while seal(now=sql.now(), everything=True, limit=20000): pass
"""


def main(entries: int) -> None:
    """Fill, back up, check, restore; print seconds and sizes."""
    with tempfile.TemporaryDirectory(prefix="cp-bench-") as folder:
        here, there, archive = Path(folder) / "here", Path(folder) / "there", Path(folder) / "backup.tar.gz"
        _timed("prepare", here, "manage.py", "prepare")
        _timed(f"fill with {entries} entries", here, "-c", _FILL, str(entries))
        _timed("backup", here, "manage.py", "backup", str(archive))
        _timed("backup --verify", here, "manage.py", "backup", str(archive), "--verify")
        _timed("restore, trail verified", there, "manage.py", "restore", str(archive))
        size = sum(path.stat().st_size for path in here.glob("controlplane.sqlite3*"))
        print(f"database {size / 1e6:.1f} MB, archive {archive.stat().st_size / 1e6:.1f} MB")


def _timed(what: str, home: Path, *words: str) -> None:
    variables = {name: text for name, text in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    variables |= {
        "CONTROLPLANE_HOME": str(home),
        "CONTROLPLANE_NO_BOOTSTRAP": "1",
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
    }
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    print(f"{what:32} {time.monotonic() - began:7.2f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else _ENTRIES)
