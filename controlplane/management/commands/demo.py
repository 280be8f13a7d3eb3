"""``manage.py demo``: set the demonstration up and let its agent play."""

from __future__ import annotations

import urllib.error
import urllib.request
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit import sql
from audit.refusals import Refusal
from controlplane.demo import load
from controlplane.demo.playing import play
from registry.models import User
from registry.states import Role


class Command(BaseCommand):
    """Load the demonstration; its agent plays against the installation that ``up`` serves."""

    help = "Load a small, clearly labelled demonstration and let its agent play over HTTP (needs a running `up`)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--by", help="administrator in whose name it is loaded (default: the first one)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, play, and say where to look.

        Raises:
            CommandError: no administrator, or nothing is served.
        """
        people = User.objects.filter(role=Role.ADMIN, is_active=True).order_by("pk")
        by = people.filter(username=options["by"]).first() if options["by"] else people.first()
        if by is None:
            raise CommandError("There is no such administrator. Start `manage.py up` first.")
        self._require_served()
        try:
            loaded = load(by=by, now=sql.now())
        except Refusal as refusal:
            raise CommandError(f"{refusal.title}: {refusal.detail}") from refusal
        self.stdout.write(f"Demonstration loaded: {loaded.runs} n8n executions imported as runs.")
        for name, password in loaded.passwords.items():
            self.stdout.write(f"  person {name}, one-time password (shown only now): {password}")
        self.stdout.write("The agent demo-job-applier plays:")
        played = play(key=loaded.key)
        self.stdout.write(played.stdout)
        if played.returncode:
            raise CommandError(f"The agent failed:\n{played.stderr}")
        self.stdout.write(f"Decide the email as {by} or demo-reviewer at {settings.PUBLIC_URL}")

    def _require_served(self) -> None:
        try:
            with urllib.request.urlopen(f"{settings.PUBLIC_URL}/healthz", timeout=5):  # noqa: S310 - our own
                return
        except (urllib.error.URLError, OSError) as error:
            raise CommandError(
                f"Nothing is served at {settings.PUBLIC_URL}. Start `manage.py up` in another terminal."
            ) from error
