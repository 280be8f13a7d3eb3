"""``manage.py issue_key``: an agent's key, shown once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import sql
from registry.management.support import acting_person, refusals_as_errors
from registry.models import Agent
from registry.operations import issue_key
from registry.states import Environment, KeyScope


class Command(BaseCommand):
    """Issue a key and print it, alone on the last line."""

    help = "Issue a key of an agent and print it, alone on the last line. It is shown this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("agent", help="the agent's slug")
        parser.add_argument("--environment", required=True, choices=Environment.values)
        parser.add_argument("--scopes", required=True, help=f"separated by commas, of {', '.join(KeyScope.values)}")
        parser.add_argument("--by", required=True, metavar="USER", help="the person who issues it")
        parser.add_argument("--days", type=int, default=90, help="how long it lives (90)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue the key."""
        by = acting_person(options["by"])
        agent = Agent.objects.select_related("team").visible_to(by).filter(slug=options["agent"]).first()
        if agent is None:
            raise CommandError(f"{by.username} sees no agent {options['agent']}")
        with refusals_as_errors():
            key, text = issue_key(
                agent=agent,
                environment=options["environment"],
                scopes=[scope.strip() for scope in options["scopes"].split(",") if scope.strip()],
                by=by,
                now=sql.now(),
                days=options["days"],
            )
        self.stdout.write(f"Key of {agent.slug} in {key.environment}, until {key.expires_at:%Y-%m-%d}. Keep it now:")
        self.stdout.write(text)
