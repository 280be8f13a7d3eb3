"""What ``up`` and ``prepare`` do before the first process starts."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError, connections
from django.utils import timezone

from controlplane.health import NotReady, migrations_are_applied
from controlplane.operating.backup import BackupError, require_finished
from controlplane.supervisor import preparation
from registry.operations.people import create_first_administrator


def obstacle() -> str:
    """Say why no command can use the database; empty where that is not the reason of a failure.

    Somebody who runs a command in another folder has a new and empty installation there: the data folder is told.
    """
    try:
        migrations_are_applied()
    except NotReady as error:
        return (
            f"The database is not prepared: {error}. Run `manage.py up` or `manage.py prepare` first. "
            f"CONTROLPLANE_HOME is {settings.ENVIRONMENT.home}; is that the installation that you mean?"
        )
    except DatabaseError as error:
        return f"The database cannot be used: {error}"
    return ""


def prepare(say: Callable[[str], None], *, check: Callable[[], None]) -> None:
    """Migrate, look for mistakes of the deployment, create the first administrator, collect assets.

    Args:
        say: tells people one line.
        check: runs the system checks; after the migration, which mends some of what they look for.

    Raises:
        CommandError: the database cannot be used.
    """
    say("preparing the database")
    try:
        require_finished()
        preparation.migrate()
        first = create_first_administrator(now=timezone.now())
    except BackupError as error:
        raise CommandError(str(error)) from error
    except DatabaseError as error:
        raise CommandError(f"The database cannot be used: {error}") from error
    check()
    # Whoever called never asks the database again, perhaps for weeks.
    connections.close_all()
    if first:
        person, password = first
        say(f"first administrator: {person.get_username()}")
        say(f"one-time password (shown only now): {password}")
    if preparation.collect_assets(settings.STATIC_ROOT):
        say("collected the console's files")
