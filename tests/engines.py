"""The database that the tests run on, told to other processes."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.db import connection

from controlplane.addresses import database_address


def current_database_url() -> str:
    """Return the address of the test database of this process, for ``DATABASE_URL`` of another one."""
    return database_address(_plain(connection.settings_dict))


def is_sqlite() -> bool:
    """Whether the tests run on SQLite."""
    return connection.vendor == "sqlite"


def subprocess_environment(**extra: str) -> dict[str, str]:
    """Return an environment in which another process sees the same database and the same secrets.

    Args:
        extra: further variables, winning over the others.
    """
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "CONTROLPLANE_NO_BOOTSTRAP": "1",
        "CONTROLPLANE_SECRET_KEY": settings.SECRET_KEY,
        "CONTROLPLANE_KEY_PEPPERS": ",".join(f"{name}:{key.hex()}" for name, key in settings.KEY_PEPPERS.items()),
        "CONTROLPLANE_ENCRYPTION_KEYS": ",".join(settings.ENCRYPTION_KEYS),
        "DATABASE_URL": current_database_url(),
        **extra,
    }


def _plain(live: Any) -> dict[str, Any]:
    return {name: str(live[name] or "") for name in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")}
