"""Django's ``migrate``, after which the trail's triggers stand again."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate
from django.db import connection

from audit import triggers


class Command(migrate.Command):
    """Migrate, then install the triggers: SQLite's table rebuild drops them silently."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the migrations and reinstall the triggers."""
        super().handle(*args, **options)
        if set(triggers.TABLES) <= set(connection.introspection.table_names()):
            triggers.install()
