"""``manage.py test``: the suite (`tests.runner`), in a process that knows nothing of this installation."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Hands every argument to the runner; ``--all`` and ``--engine`` are its own, the rest is pytest's."""

    help = "Run the tests: within a minute, or everything with --all. Other arguments go to pytest."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Become the runner: Django's own parser would stumble over pytest's options."""
        os.chdir(settings.BASE_DIR)
        # In place of this process, so that a signal reaches whoever has something to clean up.
        os.execv(sys.executable, [sys.executable, "-m", "tests.runner", *argv[2:]])  # noqa: S606  # no shell wanted

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the runner takes."""
        parser.add_argument("--all", action="store_true", help="everything on both engines: what CI runs")
