"""What the raw SQL of the hot paths needs to run on both engines."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone


def is_postgresql() -> bool:
    """Say whether the present database is PostgreSQL."""
    return connection.vendor == "postgresql"


def stamp(moment: datetime | None) -> Any:
    """Return an aware UTC datetime as the engine's driver stores it."""
    return connection.ops.adapt_datetimefield_value(moment) if moment else None


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
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return read_stamp(cursor.fetchone()[0])


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
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def shared_lock(name: str) -> None:
    """Hold a named lock beside others who hold it shared; `advisory_lock` of the same name waits for all.

    PostgreSQL queues these locks fairly. Row locks are not fair: new sharers pass a waiting writer, so
    that a row which is always shared by somebody can never be written.
    """
    if is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [name])
