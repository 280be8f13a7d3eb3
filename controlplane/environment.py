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
from urllib.parse import urlsplit

from controlplane import parsing
from controlplane.addresses import with_password
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
    lane_port_given: int | None = variable(
        "CONTROLPLANE_LANE_PORT", parsing.optional_port, "",
        "Port of the streaming lane, the process for long polls (`?wait=`) and server push (`/events`). It listens on "
        "`CONTROLPLANE_HOST` too.",
        shown="`CONTROLPLANE_PORT` + 1",
    )  # fmt: skip
    lane_url: str = variable(
        "CONTROLPLANE_LANE_URL", parsing.origin, "",
        "Address under which browsers reach the streaming lane, where it is not the public one: behind a proxy that "
        "sends `/events` and `?wait=` to the lane there is nothing to set.",
        shown="the public address, or the lane's port beside a web server that no proxy stands before",
    )  # fmt: skip
    lane_waiters: int = variable(
        "CONTROLPLANE_LANE_WAITERS", parsing.between(1, 100_000), "2000",
        "Requests that may wait in the lane at the same time, open consoles included. Beyond it a long poll is "
        "answered at once.",
    )  # fmt: skip
    lane_waiters_each: int = variable(
        "CONTROLPLANE_LANE_WAITERS_EACH", parsing.between(1, 100_000), "100",
        "The same for one key or person.",
    )  # fmt: skip
    public_url: str = variable(
        "CONTROLPLANE_PUBLIC_URL", parsing.origin, "",
        "Address under which people and agents reach the installation, for links and for checking where forms come "
        "from. With `https://`, cookies are sent over TLS only.",
        shown="`http://HOST:PORT`",
    )  # fmt: skip
    label: str = variable(
        "CONTROLPLANE_LABEL", parsing.text, "",
        "What the console's header calls this installation, for example `production` or `test`.",
        shown="nothing",
    )  # fmt: skip
    database_url: str = variable(
        "DATABASE_URL", parsing.database, "",
        "Database: `sqlite:////absolute/path` or `postgresql://user:password@host:port/name`.",
        shown="an SQLite file in `CONTROLPLANE_HOME`", secret=True,
    )  # fmt: skip
    redis_url: str = variable(
        "REDIS_URL", parsing.redis, "",
        "Broker: `redis://`, `rediss://` or `unix:///path`. When it is set, `up` starts no broker of its own.",
        shown="an embedded Valkey on a private socket", secret=True,
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
    metrics_token: str = variable(
        "CONTROLPLANE_METRICS_TOKEN", parsing.secret_key, "",
        "Bearer token that opens `/metrics`; at least 32 characters. Without it the page answers this machine alone, "
        "and only while the installation listens on loopback and has no other public address.",
        shown="none", secret=True,
    )  # fmt: skip
    metrics_token_file: Path | None = variable(
        "CONTROLPLANE_METRICS_TOKEN_FILE", parsing.optional_file, "",
        "File that holds `CONTROLPLANE_METRICS_TOKEN`.",
    )  # fmt: skip
    database_password_file: Path | None = variable(
        "CONTROLPLANE_DATABASE_PASSWORD_FILE", parsing.optional_file, "",
        "File that holds the password of `DATABASE_URL`, which then names none.",
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
    require_mfa: tuple[str, ...] = variable(
        "CONTROLPLANE_REQUIRE_MFA", parsing.roles, "",
        "Roles that need a second factor, separated by commas, for example `admin,reviewer`. Whoever has such a role "
        "and no factor yet is led to set one up, and can do nothing else.",
        shown="none",
    )  # fmt: skip
    password_login: bool = variable(
        "CONTROLPLANE_PASSWORD_LOGIN", parsing.boolean, "on",
        "Whether people log in with a password kept here. Off leaves the identity provider and passkeys.",
    )  # fmt: skip
    oidc_issuer: str = variable(
        "CONTROLPLANE_OIDC_ISSUER", parsing.issuer, "",
        "Issuer of the organisation's OpenID Connect provider. Its callback address here is "
        "`/login/provider/sso/callback/`.",
        shown="none",
    )  # fmt: skip
    oidc_name: str = variable(
        "CONTROLPLANE_OIDC_NAME", parsing.text, "Single sign-on",
        "What the log-in page calls the provider.",
    )  # fmt: skip
    oidc_client_id: str = variable(
        "CONTROLPLANE_OIDC_CLIENT_ID", parsing.text, "",
        "Client id of this installation at the provider.",
        shown="none",
    )  # fmt: skip
    oidc_client_secret: str = variable(
        "CONTROLPLANE_OIDC_CLIENT_SECRET", parsing.text, "",
        "Client secret of this installation at the provider.",
        shown="none", secret=True,
    )  # fmt: skip
    oidc_client_secret_file: Path | None = variable(
        "CONTROLPLANE_OIDC_CLIENT_SECRET_FILE", parsing.optional_file, "",
        "File that holds `CONTROLPLANE_OIDC_CLIENT_SECRET`.",
    )  # fmt: skip
    oidc_groups_claim: str = variable(
        "CONTROLPLANE_OIDC_GROUPS_CLAIM", parsing.text, "groups",
        "Claim of the id token or of userinfo that holds a person's groups.",
    )  # fmt: skip
    oidc_roles: tuple[tuple[str, str], ...] = variable(
        "CONTROLPLANE_OIDC_ROLES", parsing.role_pairs, "",
        "Which group gives which role, as `role=group` separated by semicolons; the first match counts, at each log-in "
        "anew. Whoever has none of the groups is refused.",
        shown="none",
    )  # fmt: skip
    oidc_teams: tuple[tuple[str, str], ...] = variable(
        "CONTROLPLANE_OIDC_TEAMS", parsing.pairs, "",
        "Which group makes a member of which team, as `team=group` separated by semicolons. Teams that are not named "
        "stay as they are.",
        shown="none",
    )  # fmt: skip
    callback_hosts: tuple[str, ...] = variable(
        "CONTROLPLANE_CALLBACK_HOSTS", parsing.words, "",
        "Hosts that an agent's `callback_url` may name, and that webhooks may name although they are internal, "
        "separated by commas.",
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
    deciding_threads: int = variable(
        "CONTROLPLANE_DECIDING_THREADS", parsing.between(0, 256), "0",
        "Of these, how many may decide what agents ask at the same time; more contend for the interpreter. 0: one on "
        "SQLite, which has one writer, and three on PostgreSQL.",
    )  # fmt: skip
    worker_processes: int = variable(
        "CONTROLPLANE_WORKER_PROCESSES", parsing.between(1, 64), "1",
        "Processes that run background tasks.",
    )  # fmt: skip
    calls_per_second: int = variable(
        "CONTROLPLANE_CALLS_PER_SECOND", parsing.between(1, 1_000_000), "2000",
        "Calls per second that one key or person may go on sending to each web process, ten times as many at once; "
        "beyond that they are told to wait (429).",
    )  # fmt: skip
    refused_per_second: int = variable(
        "CONTROLPLANE_REFUSED_PER_SECOND", parsing.between(1, 1_000_000), "20",
        "The same for calls without a valid key or session, by network address.",
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
        """Address of the database: the given one with its password, or that of the SQLite file in the home folder."""
        if self.database_url and self.database_password_file:
            return with_password(self.database_url, self.database_password_file.read_text().strip())
        return self.database_url or f"sqlite:///{self.home / 'controlplane.sqlite3'}"

    @property
    def metrics_bearer(self) -> str:
        """What opens ``/metrics``, given or from its file; empty where nothing does.

        Raises:
            BadSetting: the file holds too little.
        """
        if self.metrics_token or self.metrics_token_file is None:
            return self.metrics_token
        try:
            return parsing.secret_key(self.metrics_token_file.read_text().strip())
        except ValueError as error:
            raise BadSetting(f"CONTROLPLANE_METRICS_TOKEN_FILE: its value is not valid: {error}") from error

    @property
    def oidc_secret(self) -> str:
        """Client secret at the identity provider, given or from its file."""
        if self.oidc_client_secret or self.oidc_client_secret_file is None:
            return self.oidc_client_secret
        return self.oidc_client_secret_file.read_text().strip()

    @property
    def lane_port(self) -> int:
        """Port of the streaming lane."""
        return self.lane_port_given or self.port % 65_535 + 1

    @property
    def lane_address(self) -> str:
        """Address of the streaming lane as browsers reach it, without a slash at the end."""
        if self.lane_url:
            return self.lane_url
        public = urlsplit(self.console_url)
        if public.port != self.port:
            return self.console_url
        # Nothing stands between browsers and the web server, so nothing leads them from there to the lane.
        host = f"[{public.hostname}]" if ":" in (public.hostname or "") else public.hostname
        return f"{public.scheme}://{host}:{self.lane_port}"

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
            # Not `from error`: its traceback would show the value.
            raise BadSetting(f"{entry.name}: {told} is not valid: {error}") from None
    return Environment(**values)


def given(environ: Mapping[str, str] | None = None) -> frozenset[str]:
    """Return the names of the variables that the environment sets; an empty one counts as absent."""
    source = os.environ if environ is None else environ
    return frozenset(entry.name for entry in variables() if source.get(entry.name, "").strip())


def skips_bootstrap(environ: Mapping[str, str] | None = None) -> bool:
    """Say whether `BOOTSTRAP_SWITCH` is on."""
    source = os.environ if environ is None else environ
    return source.get(BOOTSTRAP_SWITCH) == "1"


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
