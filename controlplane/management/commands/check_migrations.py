"""``manage.py check_migrations``: is any migration dangerous?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from controlplane.operating import migrations


class Command(BaseCommand):
    """Read every migration of the product and name what none may do."""

    help = "Look through all migrations for what would lose data or block writers."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Print what was found.

        Raises:
            CommandError: something was.
        """
        found = migrations.findings_of_all()
        if found:
            raise CommandError("\n".join(str(finding) for finding in found))
        self.stdout.write("Every migration is safe.")
