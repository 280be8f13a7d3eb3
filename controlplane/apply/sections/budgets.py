"""``budgets:`` bounds on spend."""

from __future__ import annotations

from typing import Any

from controlplane.apply.sections.base import Applying, Entries, Part
from costs import operations
from costs.documents import budget_fields
from registry.documents import Problems, join


def _check(problems: Problems, at: str, entries: Entries) -> None:
    for slug, entry in entries.items():
        budget_fields(entry, problems=problems, pointer=join(at, slug))


def _read() -> dict[str, Any]:
    return dict(sorted(operations.budget_documents().items()))


def _write(entries: Entries, applying: Applying) -> None:
    for slug, entry in entries.items():
        with applying.entry(slug):
            operations.save_budget(slug=slug, document=entry, by=applying.by, now=applying.now)


BUDGETS = Part("budgets", _check, _read, _write)
