"""What stands in the whole database, as another connection sees it, and what a request did to it.

A picture holds every row of every table. The effect of a request is the difference of two pictures with ids, times,
digests and salts taken out, so that the effects of two runs of one request can be compared.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from django.apps import apps
from django.db import connection, models

from controlplane.addresses import database_address

# When a key was last used is noted beside every request, to the minute, and is nobody's decision.
NOTED_BESIDE = frozenset({("registry_agentkey", "last_used_at"), ("registry_agent", "last_seen_at")})
_VOLATILE = re.compile(
    r"[0-9a-f]{64}|[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)?"
    # What is sealed at rest is sealed with a nonce.
    r"|r1\.[A-Za-z0-9_=-]+"
    # A period, the end of the trail and what policies were compiled from are named by numbers.
    r"|(?<=\"period\":)\d+|(?<=\"seq\":)\d+|(?<=\"catalogue\":)\d+|(?<=\"sequence\":\")\d+"
)

# Numbers that go up with every run, and times taken.
_COUNTERS = frozenset(
    {
        "audit.Seal.seq",
        "audit.Verification.seq",
        "registry.Catalogue.revision",
        "policies.CountingCursor.seq",
        "policies.Revision.number",
        "policies.Revision.base",
        "delivery.Attempt.milliseconds",
        "approvals.Vote.took_ms",
    }
)

Row = dict[str, Any]
Picture = dict[tuple[str, Any], Row]
Effect = Counter[str]


@dataclass(frozen=True, slots=True)
class _Table:
    """A table and how its columns are compared between two runs."""

    name: str
    pk: str
    columns: tuple[str, ...]
    masks: Mapping[str, str]


def _tables() -> list[_Table]:
    return [
        _Table(
            model._meta.db_table,
            str(model._meta.pk.column),
            tuple(str(field.column) for field in model._meta.concrete_fields),
            {str(field.column): _mask(field) for field in model._meta.concrete_fields},
        )
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    ]


def _mask(field: models.Field[Any, Any]) -> str:
    if isinstance(field, models.ForeignKey | models.OneToOneField):
        # People, teams and queues are the same ones in every run.
        stays = field.related_model._meta.model_name in {"user", "team", "queue"}
        return "" if stays else "reference"
    if field.name == "id" and field.model.__name__.startswith("Historical"):
        return "reference"
    if isinstance(field, models.UUIDField | models.DateTimeField | models.BinaryField | models.AutoField):
        return "id" if field.primary_key else "volatile"
    return "volatile" if str(field) in _COUNTERS else ""


class Watcher:
    """A connection of its own, which sees what is committed and nothing else."""

    def __init__(self) -> None:
        self.tables = _tables()
        self._by_name = {table.name: table for table in self.tables}
        known = connection.settings_dict
        self._sqlite: sqlite3.Connection | None = None
        self._postgres: psycopg.Connection[Any] | None = None
        if connection.vendor == "sqlite":
            self._sqlite = sqlite3.connect(known["NAME"], isolation_level=None)
        else:
            names = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")
            self._postgres = psycopg.connect(
                database_address({name: known[name] for name in names}), autocommit=True, application_name="watcher"
            )

    def close(self) -> None:
        """Let go of the database."""
        for each in (self._sqlite, self._postgres):
            if each is not None:
                each.close()

    def picture(self) -> Picture:
        """Read every row of every table, as of one moment."""
        return self._of_sqlite(self._sqlite) if self._sqlite else self._of_postgres()

    def _of_sqlite(self, live: sqlite3.Connection) -> Picture:
        found: Picture = {}
        live.execute("BEGIN")
        for table in self.tables:
            columns = ", ".join(f'"{column}"' for column in table.columns)
            for values in live.execute(f'SELECT {columns} FROM "{table.name}"'):
                self._keep(found, table, dict(zip(table.columns, values, strict=True)))
        live.execute("COMMIT")
        return found

    def _of_postgres(self) -> Picture:
        assert self._postgres is not None
        parts = (f"SELECT '{table.name}', row_to_json(x)::text FROM \"{table.name}\" x" for table in self.tables)
        found: Picture = {}
        for name, text in self._postgres.execute(" UNION ALL ".join(parts)):
            self._keep(found, self._by_name[name], json.loads(text))
        return found

    @staticmethod
    def _keep(found: Picture, table: _Table, row: Row) -> None:
        for name, column in NOTED_BESIDE:
            if name == table.name:
                row.pop(column)
        found[table.name, row[table.pk]] = row

    def effect(self, before: Picture, after: Picture, *, names: Iterable[str] = ()) -> Effect:
        """Return what was added, changed and deleted, without ids, times, digests and the run's own names.

        Args:
            before: the picture before.
            after: the picture after.
            names: words that only this run used (its idempotency key, its event ids).
        """
        words = sorted(filter(None, names), key=len, reverse=True)
        lines: Effect = Counter()
        for key in after.keys() - before.keys():
            lines[f"+ {key[0]} {self._told(key[0], after[key], words)}"] += 1
        for key in before.keys() - after.keys():
            lines[f"- {key[0]} {self._told(key[0], before[key], words)}"] += 1
        for key in before.keys() & after.keys():
            if before[key] != after[key]:
                lines[f"~ {key[0]} {self._change(key[0], before[key], after[key], words)}"] += 1
        return lines

    def _told(self, table: str, row: Row, words: list[str]) -> str:
        masks = self._by_name[table].masks
        if table == "audit_entry":
            # By which request something was done differs, and the schedule does for none what a request failed to do.
            by_number = {"object_id": "<volatile>"} if row["object_type"] == "policy_revision" else {}
            row = {**row, "address": "", "request_id": "", **by_number}
        return json.dumps({name: self._plain(masks[name], value, words) for name, value in sorted(row.items())})

    def _change(self, table: str, old: Row, new: Row, words: list[str]) -> str:
        masks = self._by_name[table].masks
        changed = {}
        for name in sorted(name for name in new if old[name] != new[name]):
            if (
                not masks[name]
                and isinstance(new[name], int)
                and isinstance(old[name], int)
                and not isinstance(new[name], bool)
            ):
                changed[name] = f"{new[name] - old[name]:+d}"
            else:
                changed[name] = self._plain(masks[name], new[name], words)
        return json.dumps(changed)

    @staticmethod
    def _plain(mask: str, value: Any, words: list[str]) -> Any:
        if value is None or value == "":
            return value
        if mask:
            return f"<{mask}>"
        if isinstance(value, bytes):
            return "<bytes>"
        if isinstance(value, int | float):
            return "<name>" if str(value) in words else value
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        text = _VOLATILE.sub("<volatile>", text)
        for word in words:
            text = text.replace(word, "<name>")
        return text


def difference(one: Picture, other: Picture) -> list[str]:
    """Say in which rows two pictures differ; empty where they are equal."""
    keys = sorted((key for key in one.keys() | other.keys() if one.get(key) != other.get(key)), key=str)
    return [f"{key}: {one.get(key)} -> {other.get(key)}" for key in keys]
