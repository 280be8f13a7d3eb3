"""The database's own refusal to change the trail.

Installed after every ``migrate``: SQLite's table rebuild drops triggers silently.
"""

from __future__ import annotations

from django.db import connection

from audit import sql

TABLES = ("audit_entry", "audit_seal")

_FUNCTION = """
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only (% on %)', TG_OP, TG_TABLE_NAME;
END $$
"""


def _names(table: str) -> list[tuple[str, str]]:
    events = ["UPDATE", "DELETE"] + (["TRUNCATE"] if sql.is_postgresql() else [])
    return [(f"{table}_no_{event.lower()}", event) for event in events]


def install() -> None:
    """Create the triggers that refuse UPDATE, DELETE and (PostgreSQL) TRUNCATE; repeatable."""
    remove()
    with connection.cursor() as cursor:
        if sql.is_postgresql():
            cursor.execute(_FUNCTION)
        for table in TABLES:
            for name, event in _names(table):
                if sql.is_postgresql():
                    cursor.execute(
                        f"CREATE TRIGGER {name} BEFORE {event} ON {table} "
                        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()"
                    )
                else:
                    cursor.execute(
                        f"CREATE TRIGGER {name} BEFORE {event} ON {table} "
                        "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
                    )


def remove() -> None:
    """Drop the triggers: only for tests and for tools that repair a database by hand."""
    with connection.cursor() as cursor:
        for table in TABLES:
            for name, _ in _names(table):
                suffix = f" ON {table}" if sql.is_postgresql() else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{suffix}")


def missing() -> list[str]:
    """Return the names of triggers that should be there and are not."""
    query = (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
        if sql.is_postgresql()
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        present = {row[0] for row in cursor.fetchall()}
    return [name for table in TABLES for name, _ in _names(table) if name not in present]
