"""What a migration may not do, so that an upgrade neither loses data nor stands still.

- Each app's migrations form one line, and their names say what they do.
- Data and schema change apart: a migration with ``RunPython`` or ``RunSQL`` changes no schema.
- What runs code says how it is taken back (``reverse_code``, ``reverse_sql``; ``RunPython.noop`` for nothing).
- A new column that may not be null brings a default.
- What existed in a release is taken away only in a migration of its own, after the code stopped using it: expand first,
  contract later.
- After the first release, an index on a big table is built on PostgreSQL with ``CONCURRENTLY``
  (``AddIndexConcurrently`` in a migration with ``atomic = False``): writers would wait for minutes otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED, Field, ManyToManyField

OURS = ("audit", "registry", "runs", "policies", "approvals", "costs")
# The last migration of each app in the first release. Empty: nothing has been released.
FIRST_RELEASE: Mapping[str, str] = {}
# Tables that grow with every action, run or entry.
BIG = frozenset(
    {
        "audit.entry", "audit.seal", "policies.decision", "policies.admission",
        "approvals.grant", "approvals.approvalrequest", "approvals.actionrevision", "runs.run", "runs.step",
        "costs.usage", "costs.costrollup", "costs.reservation",
    }
)  # fmt: skip
_NAME = re.compile(r"\d{4}_(?!auto_)[a-z0-9_]+")
_CODE = (operations.RunPython, operations.RunSQL)
_TAKES_AWAY = (operations.RemoveField, operations.DeleteModel)
_INDEXES = (operations.AddIndex, operations.AddConstraint)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a migration may not do.

    Attributes:
        migration: ``app.name``.
        rule: a stable word.
        detail: a sentence.
    """

    migration: str
    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.migration}: {self.rule}: {self.detail}"


def findings_of_all() -> list[Finding]:
    """Look through every migration of the product."""
    loader = MigrationLoader(None)
    ours = [migration for key, migration in sorted(loader.disk_migrations.items()) if key[0] in OURS]
    return [*not_in_line(ours), *(found for migration in ours for found in findings(migration))]


def not_in_line(migrations: Iterable[Migration]) -> Iterator[Finding]:
    """Look for branches: two migrations of an app that follow the same one."""
    followed: dict[tuple[str, str], str] = {}
    for migration in migrations:
        before = [name for app, name in migration.dependencies if app == migration.app_label]
        place = (migration.app_label, ",".join(sorted(before)))
        if place in followed:
            yield _finding(migration, "branches", f"it follows the same migration as {followed[place]}")
        if len(before) > 1:
            yield _finding(migration, "branches", "it joins branches; keep one line instead")
        followed[place] = migration.name


def findings(migration: Migration, *, released: Mapping[str, str] = FIRST_RELEASE) -> Iterator[Finding]:
    """Look through one migration.

    Args:
        migration: it.
        released: last migration of the first release, by app; what came up to it may do as it likes with indexes.
    """
    if not _NAME.fullmatch(migration.name):
        yield _finding(migration, "unnamed", "its name must say what it does")
    steps: Sequence[Operation] = migration.operations
    code = [step for step in steps if isinstance(step, _CODE)]
    if code and len(code) != len(steps):
        yield _finding(migration, "mixed", "data and schema change in migrations of their own")
    for step in code:
        if not step.reversible:
            yield _finding(migration, "one-way", f"{type(step).__name__} does not say how it is taken back")
    yield from _removals(migration, steps)
    created = {step.name.lower() for step in steps if isinstance(step, operations.CreateModel)}
    later = migration.app_label in released and migration.name > released[migration.app_label]
    for step in steps:
        is_new = migration.initial or str(getattr(step, "model_name", "")).lower() in created
        if isinstance(step, operations.AddField) and not is_new and _lacks_default(step.field):
            yield _finding(migration, "no-default", f"{step.model_name}.{step.name} may not be null and has no default")
        if later and _blocks_writers(migration, step, created):
            yield _finding(migration, "locks", "an index on a big table is built with AddIndexConcurrently")


def _removals(migration: Migration, steps: Sequence[Operation]) -> Iterator[Finding]:
    removals = [step for step in steps if isinstance(step, _TAKES_AWAY)]
    additions = [step for step in steps if isinstance(step, operations.AddField | operations.CreateModel)]
    if removals and additions:
        yield _finding(migration, "expands-and-contracts", "what is added and what is taken away go apart")


def _lacks_default(field: Field) -> bool:  # type: ignore[type-arg]  # of whatever kind
    if isinstance(field, ManyToManyField) or field.null or field.primary_key:
        return False
    has_database_default = getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED
    return not field.has_default() and not has_database_default and not getattr(field, "blank", False)


def _blocks_writers(migration: Migration, step: Operation, created: set[str]) -> bool:
    if not isinstance(step, _INDEXES) or isinstance(step, AddIndexConcurrently):
        return False
    model = str(step.model_name).lower()
    return f"{migration.app_label}.{model}" in BIG and model not in created


def _finding(migration: Migration, rule: str, detail: str) -> Finding:
    return Finding(f"{migration.app_label}.{migration.name}", rule, detail)
