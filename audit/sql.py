"""What the raw SQL of the hot paths needs to run on both engines."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.sqlite3.base import FORMAT_QMARK_REGEX
from django.db.backends.utils import CursorWrapper
from django.utils import timezone


@cache
def is_postgresql() -> bool:
    """Say whether the database of this process is PostgreSQL."""
    return connection.vendor == "postgresql"


def cursor() -> CursorWrapper:
    """Return a cursor for the hot paths' statements; close it by ``with``.

    Django's own way to one costs as much as a small statement, and a decision makes a dozen: it looks for an event
    loop, for another thread and for a connection each time. This one is for code that has just used the connection.
    """
    db = connections[DEFAULT_DB_ALIAS]
    if db.connection is None or db.queries_logged:
        return db.cursor()
    # A connection that is gone says so here; Django makes a new one only after an error that it has seen.
    with db.wrap_database_errors:
        return CursorWrapper(_maker()(db.connection), db)


@cache
def _maker() -> Callable[[Any], Any]:
    """Return what makes a cursor of a driver's connection."""
    if is_postgresql():
        # PostgreSQL plans its statements once; Django's own cursors put the values into the text.
        return cast("Callable[[Any], Any]", ServerBindingCursor)
    return lambda raw: raw.cursor(factory=_QuicklyWorded)


class _QuicklyWorded(sqlite3.Cursor):
    """Finds a statement's placeholders once and not each time it is executed."""

    def execute(self, query: str, params: Any = (), /) -> Any:
        """Execute a statement with positional parameters."""
        return super().execute(_worded(query), params)

    def executemany(self, query: str, rows: Any, /) -> Any:
        """Execute a statement for each row of positional parameters."""
        return super().executemany(_worded(query), rows)


@lru_cache(maxsize=256)
def _worded(query: str) -> str:
    return FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


def answered() -> None:
    """Say that the connection has just answered, so that Django asks it no more in this request whether it does."""
    db: Any = connections[DEFAULT_DB_ALIAS]
    db.health_check_done = True


@contextmanager
def together() -> Iterator[None]:
    """Send the statements of a block to PostgreSQL without waiting for each; their errors are raised by its end.

    For statements whose results nobody reads, or where reading one result at the end waits for all.
    """
    if not is_postgresql():
        yield
        return
    db = connections[DEFAULT_DB_ALIAS]
    db.ensure_connection()
    with db.wrap_database_errors, db.connection.pipeline():
        yield


def stamp(moment: datetime | None) -> Any:
    """Return an aware UTC datetime as the engine's driver stores it."""
    return _stamp(moment) if moment else None


@lru_cache(maxsize=256)
def _stamp(moment: datetime) -> Any:
    # One decision writes the same three moments into a dozen columns.
    return moment if is_postgresql() else str(moment.astimezone(UTC).replace(tzinfo=None))


def read_stamp(value: Any) -> datetime:
    """Return what the driver read from a datetime column as an aware UTC datetime."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def key(value: uuid.UUID | None) -> str | None:
    """Return a UUID as both engines' UUID columns take it."""
    return value.hex if value else None


def read_key(value: Any) -> uuid.UUID:
    """Return what the driver read from a UUID column."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def placeholders(count: int) -> str:
    """Return ``%s, %s, …`` for a statement's VALUES."""
    return ", ".join(["%s"] * count)


def clock() -> datetime:
    """Return the present time by the one clock that all writers share, aware UTC.

    PostgreSQL's ``clock_timestamp()`` moves inside a transaction, unlike ``now()``; SQLite's
    writers share one machine, so the process's clock serves. Called after the locks are held.
    """
    if not is_postgresql():
        return timezone.now()
    with cursor() as asking:
        asking.execute("SELECT clock_timestamp()")
        return read_stamp(asking.fetchone()[0])


def now() -> datetime:
    """Return the process's time, aware UTC: what interfaces pass on as ``now``."""
    return timezone.now()


_writer = threading.RLock()


@contextmanager
def writing() -> Iterator[None]:
    """Run a block in a write transaction, as ``transaction.atomic`` does.

    SQLite has one writer. Threads that wait for it inside SQLite sleep and poll, some of them for
    seconds; here they queue on a lock of this process first, and other processes' writers are
    all that SQLite still has to arbitrate.
    """
    if is_postgresql():
        with transaction.atomic():
            yield
    else:
        with _writer, transaction.atomic():
            yield


def advisory_lock(name: str) -> None:
    """Hold a named lock until the present transaction ends.

    SQLite needs none: its write transactions begin IMMEDIATE, so only one runs at a time.
    """
    if is_postgresql():
        with cursor() as asking:
            asking.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def shared_lock(name: str) -> None:
    """Hold a named lock beside others who hold it shared; `advisory_lock` of the same name waits for all.

    PostgreSQL queues these locks fairly. Row locks are not fair: new sharers pass a waiting writer, so
    that a row which is always shared by somebody can never be written.
    """
    if is_postgresql():
        with cursor() as asking:
            asking.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [name])
