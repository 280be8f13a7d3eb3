"""How each engine gives out one moment of itself; `incoming` takes it in again."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from psycopg.conninfo import make_conninfo

from audit import sql
from controlplane import environment
from controlplane.operating.backup.archive import BackupError
from controlplane.operating.backup.manifest import Snapshot, take_snapshot

# What Django, and not the client library, understands among the options; and our limits, which a dump must not have.
_NOT_LIBPQ = frozenset(
    {"options", "pool", "isolation_level", "assume_role", "server_side_binding", "prepare_threshold"}
)
# A table of PostgreSQL that is there while a restore has not come to its end; no part of what a database holds.
UNFINISHED = "restore_unfinished"
_MAJOR = re.compile(r"\b(\d+)(?:\.\d+|devel|beta|rc)")


def copy_out(target: Path) -> Snapshot:
    """Write one moment of the database to a file, while others go on writing; return what it holds.

    Raises:
        BackupError: a program is missing or too old, or it failed.
    """
    return _dump_postgres(target) if sql.is_postgresql() else _copy_sqlite(target)


def _copy_sqlite(target: Path) -> Snapshot:
    """Copy with SQLite's online backup, in one step: it reads one snapshot, and writers go on beside it."""
    source_path = database_file()
    if not source_path.is_file():
        raise BackupError(f"There is no database {source_path}. Was `manage.py up` ever started here?")
    with closing(sqlite3.connect(source_path, timeout=20)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy, pages=-1)
        # One file: the copy is read by one at a time.
        copy.execute("PRAGMA journal_mode=DELETE")
    return look_into_sqlite(target)


def look_into_sqlite(path: Path) -> Snapshot:
    """Describe an SQLite file that nobody writes.

    Raises:
        BackupError: its pages are damaged, or it is none.
    """
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            said = database.execute("PRAGMA quick_check(1)").fetchall()
            if said != [("ok",)]:
                raise BackupError(f"The database in it is damaged: {said[0][0]}")
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            return take_snapshot(lambda query: database.execute(query).fetchall(), [name for (name,) in names])
    except sqlite3.DatabaseError as error:
        raise BackupError(f"The database in it cannot be read: {error}") from error


def look_into(engine: str, path: Path) -> Snapshot | None:
    """Describe the database file of an archive; None where only a server could tell."""
    return look_into_sqlite(path) if engine == "sqlite" else None


def _dump_postgres(target: Path) -> Snapshot:
    pg_dump = program("pg_dump")
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        # It idles while the program reads the same moment.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SELECT pg_export_snapshot()")
        moment = cursor.fetchone()[0]
        run(
            pg_dump, "--format=custom", "--compress=0", "--no-owner", "--no-privileges", f"--snapshot={moment}",
            f"--file={target}",
        )  # fmt: skip
        return take_snapshot(_rows, connection.introspection.table_names(cursor))


def database_file() -> Path:
    """Return where SQLite's file is, whether or not there is one."""
    return Path(str(connection.settings_dict["NAME"]))


def present() -> Snapshot:
    """Describe the database that the connection leads to, as it is now."""
    if not sql.is_postgresql() and not database_file().is_file():
        return take_snapshot(_rows, ())
    return take_snapshot(_rows, set(connection.introspection.table_names()) - {UNFINISHED})


def _rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def program(name: str) -> str:
    """Return a client program of PostgreSQL that is no older than the server.

    Raises:
        BackupError: there is none; the text says what to install.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        server = int(cursor.fetchone()[0]) // 10_000
    remedy = f"Install PostgreSQL's client programs, version {server} or newer (Debian: postgresql-client-{server})."
    path = shutil.which(name)
    if path is None:
        raise BackupError(f"{name} is not on the path. {remedy}")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = _MAJOR.search(said)
    if found is None or int(found.group(1)) < server:
        raise BackupError(f"{path} is {said.strip() or 'unusable'}, the server is version {server}. {remedy}")
    return path


def run(*command: str) -> None:
    """Run a client program of PostgreSQL on the installation's database.

    Raises:
        BackupError: it failed.
    """
    live: dict[str, Any] = settings.DATABASES["default"] | connection.settings_dict
    options = {name: value for name, value in live["OPTIONS"].items() if name not in _NOT_LIBPQ}
    # Another name: a restore looks whether the product itself is connected.
    options["application_name"] = "controlplane-backup"
    address = make_conninfo(
        dbname=live["NAME"], user=live["USER"] or None, host=live["HOST"] or None, port=live["PORT"] or None, **options
    )
    # Not among the arguments, which every user of the machine can read.
    secret = {"PGPASSWORD": live["PASSWORD"]} if live["PASSWORD"] else {}
    done = subprocess.run(
        [command[0], f"--dbname={address}", *command[1:]],
        env=environment.for_children(**secret), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BackupError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-2000:]}")
