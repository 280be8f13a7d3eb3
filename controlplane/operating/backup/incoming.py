"""How each engine takes a database in, so that nobody works with one that is not finished.

SQLite does it in a draft beside the database, which takes its place by one rename. PostgreSQL has no such rename: a
table, made in the transaction that empties the database, says there until the end that the rest is not to be used.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from django.db import connection, transaction

from audit import sql
from controlplane.operating.backup import engines
from controlplane.operating.backup.archive import BackupError
from controlplane.operating.backup.engines import UNFINISHED

_ENDINGS = ("", "-wal", "-shm")


def is_unfinished() -> bool:
    """Whether a restore into this database was begun and has not come to its end."""
    return sql.is_postgresql() and UNFINISHED in connection.introspection.table_names()


def require_finished() -> None:
    """Look before anything is started on this database.

    Raises:
        BackupError: a restore into it has not come to its end, so that what is in it must not be used.
    """
    if is_unfinished():
        raise BackupError(
            "A restore into this database has not come to its end, and what was open then may still be open in it. "
            "Run `manage.py restore` again."
        )


@contextlib.contextmanager
def taken_in(source: Path) -> Iterator[None]:
    """Have this process's connection lead to what a file holds. `put_in_place` makes it the installation's.

    Args:
        source: the archive's member.

    Raises:
        BackupError: a program is missing or failed, or the database is in use.
    """
    with _in_postgres(source) if sql.is_postgresql() else _in_draft(source):
        yield


def put_in_place(*, aside: str) -> str:
    """Make what was taken in the installation's database.

    Args:
        aside: ending for the name under which an SQLite file is kept; a PostgreSQL database was emptied.

    Returns:
        Where what stood there before is now; empty where nothing is kept.

    Raises:
        BackupError: the database is in use.
    """
    if not sql.is_postgresql():
        return _rename(aside)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {UNFINISHED}")
    return ""


@contextlib.contextmanager
def _in_postgres(source: Path) -> Iterator[None]:
    program = engines.program("pg_restore")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND application_name = 'controlplane'"
        )
        if others := cursor.fetchone()[0]:
            raise BackupError(f"{others} connections of the control plane are open: stop web, worker and beat first.")
        tables = connection.introspection.table_names(cursor)
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DROP TABLE IF EXISTS {connection.ops.quote_name(table)} CASCADE")
        cursor.execute("DROP FUNCTION IF EXISTS audit_refuse_change() CASCADE")
        cursor.execute(f"CREATE TABLE {UNFINISHED} (begun_at timestamptz NOT NULL DEFAULT now())")
    connection.close()
    try:
        engines.run(program, "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", str(source))
        yield
    except BackupError as error:
        raise BackupError(
            f"{error} The database was emptied: nothing starts on it until a restore has come to its end."
        ) from error


@contextlib.contextmanager
def _in_draft(source: Path) -> Iterator[None]:
    target = engines.database_file()
    draft = _draft_of(target)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if target.exists():
        _require_alone(target)
    _remove(draft)
    shutil.copyfile(source, draft)
    connection.close()
    connection.settings_dict["NAME"] = str(draft)
    try:
        yield
        connection.close()
        _require_alone(draft)
    except BaseException:
        connection.close()
        _remove(draft)
        raise
    finally:
        connection.close()
        connection.settings_dict["NAME"] = str(target)


def _rename(aside: str) -> str:
    target = engines.database_file()
    draft = _draft_of(target)
    kept = ""
    connection.close()
    if target.exists():
        _require_alone(target)
        kept = str(target.with_name(target.name + aside))
        # A second name and no renaming: at no moment is there no database, for `up` would make a new one.
        try:
            os.link(target, kept)
        except OSError:
            # A file system without second names.
            shutil.copyfile(target, kept)
    for ending in _ENDINGS[1:]:
        target.with_name(target.name + ending).unlink(missing_ok=True)
    _sync(draft)
    draft.replace(target)
    _sync(target.parent)
    return kept


def _require_alone(path: Path) -> None:
    """Have everything in the one file, so that nothing stays behind in its log."""
    with closing(sqlite3.connect(path, timeout=5)) as database:
        if database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise BackupError(f"{path} is in use: stop web, worker and beat first.")


def _draft_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.restoring")


def _remove(draft: Path) -> None:
    # With its log: one that a killed restore left would be read into the next draft.
    for ending in _ENDINGS:
        draft.with_name(draft.name + ending).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
