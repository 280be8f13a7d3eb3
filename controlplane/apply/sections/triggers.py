"""``triggers:`` thresholds that warn or stop. What is to do so and was not tried is tried while it is written."""

from __future__ import annotations

from typing import Any

from controlplane.apply.sections.base import Applying, Entries, Part
from policies import operations
from policies.triggers.documents import read_trigger
from registry.documents import Problems, join


def _check(problems: Problems, at: str, entries: Entries) -> None:
    for slug, entry in entries.items():
        read_trigger(entry, problems=problems, pointer=join(at, slug))


def _read() -> dict[str, Any]:
    return operations.trigger_documents()


def _write(entries: Entries, applying: Applying) -> None:
    for slug, entry in entries.items():
        if applying.present.get(slug) == entry:
            continue  # what changes nothing needs no right to change it
        with applying.entry(slug):
            operations.save_trigger(slug=slug, document=entry, by=applying.by, now=applying.now, try_first=True)


TRIGGERS = Part("triggers", _check, _read, _write)
