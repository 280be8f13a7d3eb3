"""``manage.py callback_secret``: the secret with which a receiver checks an agent's callbacks."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import sql
from controlplane.delivery.operations import show_callback_secret
from registry.management.support import acting_person, refusals_as_errors
from registry.models import Agent


class Command(BaseCommand):
    """Print the secret, alone on the last line."""

    help = "Print the secret that signs an agent's callbacks, alone on the last line. The trail says who saw it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("agent", help="the agent's slug")
        parser.add_argument("--by", required=True, metavar="USER", help="the person who sees it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show the secret."""
        by = acting_person(options["by"])
        agent = Agent.objects.select_related("team").visible_to(by).filter(slug=options["agent"]).first()
        if agent is None:
            raise CommandError(f"{by.username} sees no agent {options['agent']}")
        with refusals_as_errors():
            secret = show_callback_secret(agent=agent, by=by, now=sql.now())
        self.stdout.write(f"Callbacks of {agent.slug} are signed with:")
        self.stdout.write(secret)
