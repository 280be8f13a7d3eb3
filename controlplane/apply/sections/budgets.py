"""``budgets:`` bounds on spend. Each entry replaces the present one as a whole."""

from __future__ import annotations

from typing import Any

from controlplane.apply.sections.base import Applying, Entries, Part
from costs import operations
from registry.documents import Problems, Section


def _check(problems: Problems, at: str, entries: Entries) -> None:
    Section(problems, at, entries).names()


def _read() -> dict[str, Any]:
    return dict(sorted(operations.budget_documents().items()))


def _write(entries: Entries, applying: Applying) -> None:
    for slug, entry in entries.items():
        with applying.entry(slug):
            operations.save_budget(slug=slug, document=entry, by=applying.by, now=applying.now)


BUDGETS = Part("budgets", _check, _read, _write)
