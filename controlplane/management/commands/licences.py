"""``manage.py licences``: under which licences the packages come."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from controlplane.bootstrap import BASE_LOCK
from controlplane.operating.supply import licences, locks


class Command(BaseCommand):
    """Draws ``docs/reference/licences.md``, and refuses licences that are not on the list."""

    help = "Draw docs/reference/licences.md from the lock and the installed packages; fail on a licence not allowed."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take ``--check``."""
        parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is stale")

    def handle(self, *_args: Any, check: bool, **_options: Any) -> None:
        """Write or check.

        Raises:
            CommandError: a licence is not allowed, or the page is stale and ``--check`` was given.
        """
        found = licences.licences(locks.read(settings.BASE_DIR / BASE_LOCK))
        if refused := [entry for entry in found if not entry.allowed and not entry.marker]:
            named = ", ".join(f"{entry.name} ({entry.licence or 'none told'})" for entry in refused)
            raise CommandError(f"not on the list of licences: {named}")
        path = settings.BASE_DIR / "docs" / "reference" / "licences.md"
        text = licences.page(found)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            self.stdout.write(f"written: {path.name}, {len(found)} packages")
        elif not path.is_file() or path.read_text() != text:
            raise CommandError("stale, run `manage.py licences`: licences.md")
