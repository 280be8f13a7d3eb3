"""From addresses of databases and brokers to what Django and Celery want to be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SQLITE_BUSY_SECONDS = 20
_POSTGRES_SCHEMES = ("postgres", "postgresql")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long PostgreSQL may work or wait on behalf of one connection.

    Attributes:
        statement_seconds: longest statement; 0 switches the limit off.
        lock_seconds: longest wait for a lock; 0 switches the limit off.
    """

    statement_seconds: int = 30
    lock_seconds: int = 10


def database_settings(address: str, timeouts: Timeouts | None = None) -> dict[str, Any]:
    """Return one entry of Django's ``DATABASES``.

    Args:
        address: ``sqlite:////absolute/path`` (or ``sqlite:///relative/path``), or
            ``postgresql://user:password@host:port/name?option=value``. A socket folder is
            given as ``?host=/folder``.
        timeouts: limits for PostgreSQL; the defaults when left out.

    Raises:
        ValueError: the address is neither, or names no database.
    """
    scheme = urlsplit(address).scheme
    if scheme == "sqlite":
        return _sqlite(address)
    if scheme in _POSTGRES_SCHEMES:
        return _postgres(address, timeouts or Timeouts())
    raise ValueError("must begin with sqlite:/// or postgresql://")


def _sqlite(address: str) -> dict[str, Any]:
    if not address.startswith("sqlite:///"):
        raise ValueError("an SQLite address has three slashes before a relative path and four before an absolute one")
    path = unquote(address.removeprefix("sqlite:///"))
    if not path:
        raise ValueError("an SQLite address must name a file")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path if path == ":memory:" else str(Path(path).absolute()),
        # A local file neither drops connections nor gains anything from asking whether it did.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": False,
        "OPTIONS": {
            # DEFERRED transactions fail at once when a reader turns writer; IMMEDIATE ones queue.
            "transaction_mode": "IMMEDIATE",
            "timeout": SQLITE_BUSY_SECONDS,
            "init_command": (
                "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;PRAGMA mmap_size=0"
            ),
        },
    }


def _postgres(address: str, timeouts: Timeouts) -> dict[str, Any]:
    parts = urlsplit(address)
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise ValueError("a PostgreSQL address must name a database")
    options: dict[str, Any] = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    host = options.pop("host", None) or unquote(parts.hostname or "")
    port = options.pop("port", None) or (str(parts.port) if parts.port else "")
    # libpq takes these as options too; a password among the options would stand on the command line of `pg_dump`.
    user, password = options.pop("user", ""), options.pop("password", "")
    user, password = unquote(parts.username or "") or user, unquote(parts.password or "") or password
    limits = (
        f"-c statement_timeout={timeouts.statement_seconds}s "
        f"-c lock_timeout={timeouts.lock_seconds}s "
        "-c idle_in_transaction_session_timeout=60s "
        # Compiling a statement takes seconds where the planner overrates small tables; no statement here runs so long.
        "-c jit=off"
    )
    options["options"] = f"{options.pop('options', '')} {limits}".strip()
    options.setdefault("connect_timeout", "5")
    # How often a statement is sent before it is planned once and for all; only the hot paths' cursors do so at all.
    options["prepare_threshold"] = _threshold(options.get("prepare_threshold", "2"))
    options.setdefault("application_name", "controlplane")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": user,
        "PASSWORD": password,
        "HOST": host,
        "PORT": port,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


def database_address(settings: dict[str, Any]) -> str:
    """Return the address of one entry of ``DATABASES``: the inverse of `database_settings`.

    Engine options are left out: whoever reads the address adds the product's own again.
    """
    if settings["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{settings['NAME']}"
    query = f"host={_quoted(settings['HOST'])}" if settings["HOST"] else ""
    if settings["PORT"]:
        query += f"{'&' if query else ''}port={settings['PORT']}"
    who = _quoted(settings["USER"])
    if settings["PASSWORD"]:
        who += f":{_quoted(settings['PASSWORD'])}"
    at = f"{who}@" if who else ""
    return f"postgresql://{at}/{_quoted(settings['NAME'])}" + (f"?{query}" if query else "")


def with_password(address: str, password: str) -> str:
    """Return a database address with a password that it does not name itself; an SQLite address as it is."""
    parts = urlsplit(address)
    if parts.scheme not in _POSTGRES_SCHEMES or parts.password is not None or not parts.username:
        return address
    who, _, where = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{who}:{_quoted(password)}@{where}").geturl()


def celery_url(address: str) -> str:
    """Return the broker's address in Celery's spelling, which names Unix sockets differently.

    Args:
        address: ``redis://``, ``rediss://`` or ``unix:///path``.
    """
    return f"redis+socket://{address.removeprefix('unix://')}" if address.startswith("unix://") else address


def _threshold(text: str) -> int | None:
    """Read psycopg's ``prepare_threshold``: ``none`` for poolers that do not know prepared statements.

    0 is none that works: after what was rolled back in a pipeline, psycopg tells the server to forget all statements
    only behind the next one; prepared at once, that one would be believed to be there for as long as the connection.
    """
    if text == "none":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 5 and int(text)):
        raise ValueError("prepare_threshold must be a number from 1 on, or none")
    return int(text)


def _quoted(text: Any) -> str:
    return quote(str(text), safe="")
