"""System checks: mistakes of a deployment, told at start, each with an id and a hint."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags

from controlplane import environment

Check = Callable[..., Sequence[CheckMessage]]

# Before this release two connections could, rarely, lose a committed transaction when the log starts anew.
_SQLITE_WITHOUT_RESET_BUG = (3, 51, 3)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def sqlite_is_sound(**_options: Any) -> list[CheckMessage]:
    """Warn of the SQLite releases that have the write-ahead log's reset bug."""
    if not _on_sqlite() or sqlite3.sqlite_version_info >= _SQLITE_WITHOUT_RESET_BUG:
        return []
    return [
        checks.Warning(
            f"SQLite {sqlite3.sqlite_version} has a rare bug in its write-ahead log that can lose a committed write.",
            hint="Teams should use PostgreSQL (DATABASE_URL), or a Python with SQLite 3.51.3 or newer. Keep backups.",
            id="controlplane.W001",
        )
    ]


def sqlite_has_one_web_process(**_options: Any) -> list[CheckMessage]:
    """Refuse several web processes on one SQLite file: their writes would queue behind each other's locks."""
    if not _on_sqlite() or settings.ENVIRONMENT.web_workers == 1:
        return []
    return [
        Error(
            f"CONTROLPLANE_WEB_WORKERS is {settings.ENVIRONMENT.web_workers}, but SQLite wants one writing process.",
            hint="Set CONTROLPLANE_WEB_WORKERS to 1, or use PostgreSQL (DATABASE_URL).",
            id="controlplane.E001",
        )
    ]


def debug_is_private(**_options: Any) -> list[CheckMessage]:
    """Refuse debug pages where others can reach them."""
    exposed = settings.ENVIRONMENT.host not in _LOOPBACK or urlsplit(settings.PUBLIC_URL).hostname not in _LOOPBACK
    if not settings.DEBUG or not exposed:
        return []
    return [
        Error(
            "CONTROLPLANE_DEBUG is on and others can reach this installation: its error pages show settings and code.",
            hint="Switch CONTROLPLANE_DEBUG off, or listen on 127.0.0.1 only.",
            id="controlplane.E002",
        )
    ]


def secrets_are_stored(**_options: Any) -> list[CheckMessage]:
    """Warn of secrets that die with this process."""
    return [
        checks.Warning(
            f"The secret {name} is neither set nor stored: this process made one up, and no other one knows it.",
            hint=f"Start with `manage.py up` once, or set CONTROLPLANE_{name.upper()} (or ..._FILE).",
            id="controlplane.W002",
        )
        for name in settings.KEYRING.ephemeral
    ]


def secrets_are_private(**_options: Any) -> list[CheckMessage]:
    """Warn of files with secrets that others on this machine may read."""
    folder = settings.HOME / "secrets"
    if not folder.is_dir():
        return []
    files = [path for path in folder.iterdir() if path.is_file() and os.access(path, os.R_OK)]
    return [
        checks.Warning(
            f"The secret in {path.name} can be read by other users of this machine.",
            hint="Take their rights away: chmod 600.",
            id="controlplane.W003",
        )
        for path in sorted(files)
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]


def variables_are_known(**_options: Any) -> list[CheckMessage]:
    """Warn of variables that look like ours and are not: nothing reads them."""
    return [
        checks.Warning(
            f"{name} is set, but no such variable exists.",
            hint="See docs/reference/settings.md for the names.",
            id="controlplane.W004",
        )
        for name in environment.unknown_names()
    ]


def proxies_are_named(**_options: Any) -> list[CheckMessage]:
    """Warn of TLS that ends at a proxy which nobody named: every caller would have the proxy's address."""
    if not settings.PUBLIC_URL.startswith("https://") or settings.TRUSTED_PROXIES:
        return []
    return [
        checks.Warning(
            "CONTROLPLANE_PUBLIC_URL is https, but no proxy is trusted: all callers will seem to come from the proxy.",
            hint="Set CONTROLPLANE_TRUSTED_PROXIES to the address of the proxy that ends TLS.",
            id="controlplane.W005",
        )
    ]


def somebody_can_log_in(**_options: Any) -> list[CheckMessage]:
    """Refuse settings that leave no way in, or a provider that nobody comes in by."""
    found: list[CheckMessage] = []
    if not settings.PASSWORD_LOGIN and not settings.OIDC_ISSUER:
        found.append(
            Error(
                "CONTROLPLANE_PASSWORD_LOGIN is off and there is no identity provider: nobody can log in.",
                hint="Set CONTROLPLANE_OIDC_ISSUER, or leave passwords on.",
                id="controlplane.E003",
            )
        )
    if settings.OIDC_ISSUER and not (settings.ENVIRONMENT.oidc_client_id and settings.OIDC_ROLES):
        found.append(
            Error(
                "CONTROLPLANE_OIDC_ISSUER is set, but no client id, or no group gives a role: everybody is refused.",
                hint="Set CONTROLPLANE_OIDC_CLIENT_ID and CONTROLPLANE_OIDC_ROLES, for example admin=platform-admins.",
                id="controlplane.E004",
            )
        )
    return found


def administrators_have_two_factors(**_options: Any) -> list[CheckMessage]:
    """Recommend a second factor for administrators of an installation that others reach."""
    if not settings.PUBLIC_URL.startswith("https://") or "admin" in settings.REQUIRE_MFA:
        return []
    return [
        checks.Warning(
            "Administrators of this installation need no second factor.",
            hint="Set CONTROLPLANE_REQUIRE_MFA to admin, or to admin,reviewer.",
            id="controlplane.W006",
        )
    ]


CHECKS: list[tuple[Check, tuple[str, ...]]] = [
    (sqlite_is_sound, ()),
    (sqlite_has_one_web_process, ()),
    (debug_is_private, (Tags.security,)),
    (secrets_are_stored, (Tags.security,)),
    (secrets_are_private, (Tags.security,)),
    (variables_are_known, ()),
    (proxies_are_named, ()),
    (somebody_can_log_in, (Tags.security,)),
    (administrators_have_two_factors, (Tags.security,)),
]


def _on_sqlite() -> bool:
    return bool(settings.ENVIRONMENT.database_address.startswith("sqlite:"))
