"""``manage.py alive``: does a process beside the web server show signs of life? For health checks of containers."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from controlplane.operating import heartbeats


class Command(BaseCommand):
    """Ask the broker for the last sign of life."""

    help = "Exit 0 if PROCESS (beat, worker, sender or lane) has shown a sign of life lately."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the argument."""
        parser.add_argument("process", choices=heartbeats.PROCESSES)

    def handle(self, *_args: Any, process: str, **_options: Any) -> None:
        """Say how it looks.

        Raises:
            CommandError: it has been silent too long, or the broker is away.
        """
        seen = next(found for found in heartbeats.health_of_background() if found.name == process)
        if seen.pulse is not heartbeats.Pulse.OK:
            raise CommandError(seen.words)
        self.stdout.write(f"{process}: {seen.seconds} s ago")
