"""Counts, transaction by transaction, which rows of the product changed and how many entries were written.

Triggers on every product table write each change into a side table. A wrapper around the
connection's statements sees where transactions end (below a test's own, these are the outermost
savepoints), empties the side table there, and keeps what it held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import Model

from audit import sql
from tests.trail.exemptions import COLUMNS, TABLES

ROOMS = frozenset({"approvals", "audit", "controlplane", "costs", "policies", "registry", "runs"})
# Every app of ours, so that a new one is watched from its first table on.
APPS = tuple(config for config in apps.get_app_configs() if config.name.partition(".")[0] in ROOMS)
ENTRIES = "audit_entry"
_SIDE = "trail_side"
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION trail_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {_SIDE} (place, event) VALUES (TG_TABLE_NAME, TG_OP);
    RETURN NULL;
END $$
"""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one transaction did.

    Attributes:
        changes: rows changed, by ``table event``.
        entries: entries written.
        exempt: rows changed in tables that need no entry, likewise.
    """

    changes: Counter[str]
    entries: int
    exempt: Counter[str] = field(default_factory=Counter)

    @property
    def is_silent(self) -> bool:
        """Whether it changed something and said nothing."""
        return bool(self.changes) and not self.entries


@dataclass(slots=True)
class Watch:
    """What was seen while something was driven."""

    transactions: list[Transaction] = field(default_factory=list)
    _depth: int = 0
    _busy: bool = False

    @property
    def silent(self) -> list[dict[str, int]]:
        """What was changed by transactions that wrote no entry."""
        return [dict(each.changes) for each in self.transactions if each.is_silent]

    @property
    def changed(self) -> bool:
        """Whether anything changed."""
        return any(each.changes for each in self.transactions)

    @property
    def exempt(self) -> set[str]:
        """The tables without entries of their own that changed, where these are watched."""
        return {change.partition(" ")[0] for each in self.transactions for change in each.exempt}

    @property
    def entries(self) -> int:
        """How many entries were written."""
        return sum(each.entries for each in self.transactions)

    def __call__(self, execute: Callable[..., Any], statement: str, params: Any, many: bool, context: Any) -> Any:
        """Run a statement of the product (Django's ``execute_wrapper``)."""
        if self._busy:
            return execute(statement, params, many, context)
        words = str(statement).split(maxsplit=1)
        word = words[0].upper() if words else ""
        if word == "SAVEPOINT":
            self._depth += 1
        result = execute(statement, params, many, context)
        if word == "RELEASE":
            self._depth -= 1
        # At depth 0 each statement is a transaction of its own.
        if self._depth == 0 and word not in {"SELECT", "ROLLBACK"}:
            self._settle()
        return result

    def _settle(self) -> None:
        self._busy = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT place, event, COUNT(*) FROM {_SIDE} GROUP BY place, event")
                found = {(place, event): number for place, event, number in cursor.fetchall()}
                if found:
                    cursor.execute(f"DELETE FROM {_SIDE}")
        finally:
            self._busy = False
        if found:
            entries = found.pop((ENTRIES, "INSERT"), 0)
            changes, exempt = (
                Counter({f"{place} {event}": n for (place, event), n in found.items() if (place in TABLES) is which})
                for which in (False, True)
            )
            self.transactions.append(Transaction(changes, entries, exempt))


def tables(*, exempt: bool) -> list[type[Model]]:
    """Return every product table, through tables included; those that the exemptions name only where they count."""
    models = [model for app in APPS for model in app.get_models(include_auto_created=True)]
    return [model for model in models if model._meta.managed and (exempt or model._meta.db_table not in TABLES)]


def install(*, exempt: bool = False) -> None:
    """Create the side table and the triggers, in the present transaction, with which they go.

    Args:
        exempt: whether the tables that need no entry are watched as well.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {_SIDE} (place varchar(100), event varchar(10))")
        if sql.is_postgresql():
            cursor.execute(_FUNCTION)
        for model in tables(exempt=exempt):
            table = model._meta.db_table
            for event in ("INSERT", "UPDATE", "DELETE"):
                if table == ENTRIES and event != "INSERT":
                    continue
                cursor.execute(_trigger(model, event))


def _trigger(model: type[Model], event: str) -> str:
    table = model._meta.db_table
    silent = COLUMNS.get(table, {})
    columns = ", ".join(each.column for each in model._meta.local_concrete_fields if each.column not in silent)
    when = f"UPDATE OF {columns}" if event == "UPDATE" and silent else event
    name = f"trail_{table}_{event.lower()}"[:60]
    if sql.is_postgresql():
        return f"CREATE TRIGGER {name} AFTER {when} ON {table} FOR EACH ROW EXECUTE FUNCTION trail_count()"
    return (
        f"CREATE TRIGGER {name} AFTER {when} ON {table} "
        f"BEGIN INSERT INTO {_SIDE} (place, event) VALUES ('{table}', '{event}'); END"
    )


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch what is driven in the block."""
    watch = Watch()
    with connection.execute_wrapper(watch):
        yield watch
