"""``manage.py up``: set up what is missing, then run the whole installation until Ctrl-C."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from django.urls import reverse
from django.utils import timezone

from controlplane.supervisor import home, loop, plans, preparation
from registry.operations.people import create_first_administrator


class Command(BaseCommand):
    """Broker, web, worker and beat in one go."""

    help = "Start everything: set-up where needed, then broker, web, worker and beat. Ctrl-C ends it."
    # They run after the migration, which mends some of what they look for.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take no arguments: the environment says everything (docs/reference/settings.md)."""

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run until told to end.

        Raises:
            CommandError: another one runs here, the port is taken, the database is away, or there is no broker.
        """
        environment = settings.ENVIRONMENT
        try:
            with home.occupy(environment.home):
                for name in home.sweep(environment.home):
                    self.say(f"ended {name}, which an earlier run had left behind")
                preparation.check_port(environment)
                running = plans.plans(environment, settings.BASE_DIR)
                self.prepare()
                loop.Supervisor(
                    plans=running,
                    folder=environment.home,
                    is_ready=self.login_page_answers,
                    when_ready=lambda: self.say(f"ready: {settings.PUBLIC_URL}"),
                    say=self.say,
                ).run()
        except (home.Occupied, preparation.PortTaken, plans.NoBroker) as error:
            raise CommandError(str(error)) from error

    def prepare(self) -> None:
        """Migrate, collect assets, create the first administrator."""
        self.say("preparing the database")
        try:
            preparation.migrate()
            first = create_first_administrator(now=timezone.now())
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {error}") from error
        self.check()
        # The supervisor itself never asks the database again, for weeks.
        connections.close_all()
        if first:
            person, password = first
            self.say(f"first administrator: {person.get_username()}")
            self.say(f"one-time password (shown only now): {password}")
        if preparation.collect_assets(settings.STATIC_ROOT):
            self.say("collected the console's files")
        self.say("starting broker, web, worker and beat")

    def login_page_answers(self) -> bool:
        """Whether people can sign in."""
        environment = settings.ENVIRONMENT
        asked = urlsplit(settings.PUBLIC_URL).netloc
        return loop.answers(environment.host, environment.port, reverse(settings.LOGIN_URL), asked_host=asked)

    def say(self, words: str) -> None:
        """Tell the person at the terminal one line, at once."""
        self.stdout.write(f"control plane: {words}")
        self.stdout.flush()
