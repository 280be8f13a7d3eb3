"""``manage.py createuser``: a person, created by whoever runs the installation."""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import sql
from audit.actors import System
from registry.management.support import refusals_as_errors
from registry.models import Team
from registry.operations import create_user
from registry.states import Role


class Command(BaseCommand):
    """Create a person with the password on standard input, or with a one-time password that is printed."""

    help = "Create a person. Without --password-stdin a one-time password is printed, alone on the last line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("name", help="user name")
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input (its first line)"
        )
        parser.add_argument("--team", action="append", default=[], metavar="SLUG", help="team to join; repeatable")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the person."""
        one_time = not options["password_stdin"]
        password = secrets.token_urlsafe(15) if one_time else sys.stdin.readline().rstrip("\r\n")
        with refusals_as_errors():
            create_user(
                username=options["name"],
                role=options["role"],
                password=password,
                teams=[_team(slug) for slug in options["team"]],
                one_time=one_time,
                by=System("createuser"),
                now=sql.now(),
            )
        self.stdout.write(f"Created {options['name']}, {options['role']}.")
        if one_time:
            self.stdout.write("One-time password:")
            self.stdout.write(password)


def _team(slug: str) -> Team:
    team = Team.objects.filter(slug=slug).first()
    if team is None:
        raise CommandError(f"there is no team {slug}")
    return team
