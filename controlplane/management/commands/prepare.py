"""``manage.py prepare``: what must be done once before web, worker and beat are started one by one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from controlplane.management.preparing import prepare


class Command(BaseCommand):
    """Migrate, collect assets, create the first administrator; then end."""

    help = "Prepare the database and the console's files, for `up --only`. Safe to run at each deployment."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Prepare.

        Raises:
            CommandError: the database cannot be used.
        """
        prepare(lambda words: self.stdout.write(f"control plane: {words}"), check=self.check)
