"""``manage.py reference``: draw the reference pages from the code."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from controlplane import reference


class Command(BaseCommand):
    """Writes ``docs/reference``, or says what is stale there."""

    help = "Draw docs/reference from the code."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take ``--check``."""
        parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is stale")

    def handle(self, *_args: Any, check: bool, **_options: Any) -> None:
        """Write or check.

        Raises:
            CommandError: a page is stale and ``--check`` was given.
        """
        folder = settings.BASE_DIR / "docs" / "reference"
        if not check:
            for name in reference.write(folder):
                self.stdout.write(f"written: {name}")
        elif stale := reference.stale(folder):
            raise CommandError(f"stale, run `manage.py reference`: {', '.join(stale)}")
