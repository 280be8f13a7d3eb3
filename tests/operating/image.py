"""A folder that holds exactly what the Dockerfile copies, for a try without containers."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.setup.processes import ROOT


def lay_out(target: Path) -> None:
    """Copy what the last stage of the Dockerfile copies out of the tree."""
    last = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    for words in re.findall(r"^COPY (?!--from)(.+)$", last, re.MULTILINE):
        *sources, place = words.split()
        for source in sources:
            origin = ROOT / source
            if origin.is_dir():
                shutil.copytree(origin, target / place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(origin, target / origin.name)
