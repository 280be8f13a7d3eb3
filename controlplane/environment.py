"""The one module that reads the process environment: every variable, typed and documented.

The table is `Environment` itself. ``docs/reference/settings.md`` is drawn from it by ``manage.py reference``.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from controlplane import parsing
from controlplane.parsing import Variable, variable

# A socket's path must fit into ``sun_path``: 104 bytes on macOS, 108 on Linux, its NUL included.
_LONGEST_SOCKET_PATH = 100
# Read by the bootstrap alone, before this module can be imported.
BOOTSTRAP_SWITCH = "CONTROLPLANE_NO_BOOTSTRAP"


class BadSetting(Exception):
    """An environment variable holds a value that means nothing. Its text names the variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the installation's environment says. See each field's help."""

    home: Path = variable(
        "CONTROLPLANE_HOME", parsing.folder, "./var",
        "Folder of everything the installation keeps itself: the SQLite file, the broker's data, secrets, locks.",
    )  # fmt: skip
    host: str = variable(
        "CONTROLPLANE_HOST", parsing.text, "127.0.0.1",
        "Address that the web server listens on.",
    )  # fmt: skip
    port: int = variable(
        "CONTROLPLANE_PORT", parsing.port, "8000",
        "Port that the web server listens on.",
    )  # fmt: skip
    public_url: str = variable(
        "CONTROLPLANE_PUBLIC_URL", parsing.origin, "",
        "Address under which people and agents reach the installation, for links and for checking where forms come "
        "from. With `https://`, cookies are sent over TLS only.",
        shown="`http://HOST:PORT`",
    )  # fmt: skip
    database_url: str = variable(
        "DATABASE_URL", parsing.database, "",
        "Database: `sqlite:////absolute/path` or `postgresql://user:password@host:port/name`.",
        shown="an SQLite file in `CONTROLPLANE_HOME`",
    )  # fmt: skip
    redis_url: str = variable(
        "REDIS_URL", parsing.redis, "",
        "Broker: `redis://`, `rediss://` or `unix:///path`. When it is set, `up` starts no broker of its own.",
        shown="an embedded Valkey on a private socket",
    )  # fmt: skip
    secret_key: str = variable(
        "CONTROLPLANE_SECRET_KEY", parsing.secret_key, "",
        "Signs sessions and forms; at least 32 characters.",
        shown="generated into `CONTROLPLANE_HOME/secrets`", secret=True,
    )  # fmt: skip
    secret_key_file: Path | None = variable(
        "CONTROLPLANE_SECRET_KEY_FILE", parsing.optional_file, "",
        "File that holds `CONTROLPLANE_SECRET_KEY`, for secret stores that mount files.",
    )  # fmt: skip
    key_peppers: tuple[tuple[str, bytes], ...] = variable(
        "CONTROLPLANE_KEY_PEPPERS", parsing.peppers, "",
        "Secrets that agents' keys are hashed with, as `id:hex` separated by commas; at least 32 bytes each. The first "
        "one hashes new keys, the others only check old ones.",
        shown="generated into `CONTROLPLANE_HOME/secrets`", secret=True,
    )  # fmt: skip
    key_peppers_file: Path | None = variable(
        "CONTROLPLANE_KEY_PEPPERS_FILE", parsing.optional_file, "",
        "File that holds `CONTROLPLANE_KEY_PEPPERS`.",
    )  # fmt: skip
    encryption_keys: tuple[str, ...] = variable(
        "CONTROLPLANE_ENCRYPTION_KEYS", parsing.encryption_keys, "",
        "Fernet keys, separated by commas, for secrets kept in the database. The first one encrypts, all decrypt.",
        shown="generated into `CONTROLPLANE_HOME/secrets`", secret=True,
    )  # fmt: skip
    encryption_keys_file: Path | None = variable(
        "CONTROLPLANE_ENCRYPTION_KEYS_FILE", parsing.optional_file, "",
        "File that holds `CONTROLPLANE_ENCRYPTION_KEYS`.",
    )  # fmt: skip
    allowed_hosts: tuple[str, ...] = variable(
        "CONTROLPLANE_ALLOWED_HOSTS", parsing.words, "",
        "Host names that requests may ask for, separated by commas; `.example.com` covers its subdomains.",
        shown="this machine's loopback names and the host of `CONTROLPLANE_PUBLIC_URL`",
    )  # fmt: skip
    trusted_proxies: tuple[parsing.Network, ...] = variable(
        "CONTROLPLANE_TRUSTED_PROXIES", parsing.networks, "",
        "Addresses or networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, "
        "separated by commas.",
        shown="none",
    )  # fmt: skip
    callback_hosts: tuple[str, ...] = variable(
        "CONTROLPLANE_CALLBACK_HOSTS", parsing.words, "",
        "Hosts that an agent's `callback_url` and webhooks may name although they are internal, separated by commas.",
        shown="none",
    )  # fmt: skip
    debug: bool = variable(
        "CONTROLPLANE_DEBUG", parsing.boolean, "off",
        "Django's debug pages. They show settings and source code: never where others can reach them.",
    )  # fmt: skip
    log_format: str = variable(
        "CONTROLPLANE_LOG_FORMAT", parsing.one_of("json", "console"), "",
        "`json` for machines, `console` for people.",
        shown="`console` on a terminal, else `json`",
    )  # fmt: skip
    log_level: str = variable(
        "CONTROLPLANE_LOG_LEVEL", parsing.one_of("debug", "info", "warning", "error"), "info",
        "Least severe log entry that is written.",
    )  # fmt: skip
    web_workers: int = variable(
        "CONTROLPLANE_WEB_WORKERS", parsing.between(1, 64), "1",
        "Web processes. Leave it at 1 on SQLite: one writing web process.",
    )  # fmt: skip
    web_threads: int = variable(
        "CONTROLPLANE_WEB_THREADS", parsing.between(1, 256), "8",
        "Threads per web process that answer requests.",
    )  # fmt: skip
    worker_processes: int = variable(
        "CONTROLPLANE_WORKER_PROCESSES", parsing.between(1, 64), "1",
        "Processes that run background tasks.",
    )  # fmt: skip
    statement_timeout: int = variable(
        "CONTROLPLANE_STATEMENT_TIMEOUT", parsing.between(0, 86_400), "30",
        "Seconds that one PostgreSQL statement may take; 0 for no limit (long migrations).",
    )  # fmt: skip
    lock_timeout: int = variable(
        "CONTROLPLANE_LOCK_TIMEOUT", parsing.between(0, 86_400), "10",
        "Seconds that one PostgreSQL statement may wait for a lock; 0 for no limit.",
    )  # fmt: skip

    @property
    def broker_url(self) -> str:
        """Address of Redis or Valkey: the given one, or that of the embedded broker's socket."""
        return self.redis_url or f"unix://{self.broker_socket}"

    @property
    def broker_socket(self) -> Path:
        """Socket of the embedded broker: in the home folder, or in a private temporary one if that path is too long."""
        socket = self.home / "broker" / "valkey.sock"
        if len(os.fsencode(socket)) <= _LONGEST_SOCKET_PATH:
            return socket
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"controlplane-{os.getuid()}-{digest}" / "valkey.sock"

    @property
    def database_address(self) -> str:
        """Address of the database: the given one, or that of the SQLite file in the home folder."""
        return self.database_url or f"sqlite:///{self.home / 'controlplane.sqlite3'}"

    @property
    def console_url(self) -> str:
        """Address of the installation as people type it, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"


def variables() -> list[Variable]:
    """Return every variable in the order of the table."""
    return [field.metadata["variable"] for field in fields(Environment)]


def read(environ: Mapping[str, str] | None = None) -> Environment:
    """Return the parsed environment.

    Args:
        environ: names and values; those of the process when left out.

    Raises:
        BadSetting: a value does not parse.
    """
    source = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for field in fields(Environment):
        entry: Variable = field.metadata["variable"]
        raw = source.get(entry.name, "").strip() or entry.default
        try:
            values[field.name] = entry.parse(raw)
        except ValueError as error:
            told = "its value" if entry.secret else repr(raw)
            raise BadSetting(f"{entry.name}: {told} is not valid: {error}") from error
    return Environment(**values)


def use_settings() -> None:
    """Name Django's settings module, unless the environment names one already."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")


def for_children(**extra: str) -> dict[str, str]:
    """Return this process's environment for one that it starts, with some variables added."""
    return {**os.environ, **extra}


def unknown_names(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return variables that look like ours but are not in the table: most often a typing mistake."""
    source = os.environ if environ is None else environ
    known = {entry.name for entry in variables()} | {BOOTSTRAP_SWITCH}
    return sorted(name for name in source if name.startswith("CONTROLPLANE_") and name not in known)
