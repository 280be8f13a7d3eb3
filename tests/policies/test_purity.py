"""The pure modules bring in neither Django nor a clock, and do not grow into each other."""

from __future__ import annotations

import subprocess
import sys

import pytest

PURE = [
    "policies.compile", "policies.conditions", "policies.demands", "policies.destinations", "policies.dry_runs",
    "policies.engine", "policies.expressions", "policies.extraction", "policies.facts", "policies.freezes",
    "policies.hosts", "policies.hours", "policies.language", "policies.obligations", "policies.provenance",
    "policies.reasons", "policies.rehearsal", "policies.selectors", "policies.tally",
    "registry.amounts", "registry.catalogue", "registry.documents", "registry.pointers",
]  # fmt: skip
PROGRAM = f"""
import importlib, sys
for name in {PURE!r}:
    importlib.import_module(name)
print([name for name in ("django", "redis", "celery", "httpx") if name in sys.modules])
"""


@pytest.fixture(scope="module")
def brought_in() -> str:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_pure_modules_bring_in_no_framework(brought_in: str) -> None:
    assert brought_in == "[]"
