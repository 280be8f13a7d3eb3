"""``manage.py test``: the suite (`tests.runner`), in a process that knows nothing of this installation."""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Hands every argument to the runner; ``--all`` and ``--engine`` are its own, the rest is pytest's."""

    help = "Run the tests: within a minute, or everything with --all. Other arguments go to pytest."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Run, and end with the runner's code: Django's parser would stumble over pytest's options."""
        command = [sys.executable, "-m", "tests.runner", *argv[2:]]
        sys.exit(subprocess.run(command, cwd=settings.BASE_DIR, check=False).returncode)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the runner takes."""
        parser.add_argument("--all", action="store_true", help="everything on both engines: what CI runs")
