"""``manage.py up``: set up what is missing, then run the whole installation until Ctrl-C."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any, NoReturn
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from django.urls import reverse

from controlplane.health import NotReady, migrations_are_applied
from controlplane.management.preparing import prepare
from controlplane.operating.backup import BackupError, require_finished
from controlplane.supervisor import home, loop, plans, preparation


class Command(BaseCommand):
    """Broker, web, streaming lane, worker, sender and beat in one go."""

    help = "Start everything: set-up where needed, then broker, web, lane, worker, sender and beat. Ctrl-C ends it."
    # They run after the migration, which mends some of what they look for.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to run; the environment says everything else (docs/reference/settings.md)."""
        parser.add_argument(
            "--only",
            choices=plans.ROLES,
            help="become this one process: for containers and service managers, after `manage.py prepare`",
        )

    def handle(self, *_args: Any, only: str | None, **_options: Any) -> None:
        """Run until told to end.

        Raises:
            CommandError: another one runs here, the port is taken, the database is away, or there is no broker.
        """
        environment = settings.ENVIRONMENT
        if only is not None:
            self.become(only)
        try:
            with home.occupy(environment.home):
                for name in home.sweep(environment.home):
                    self.say(f"ended {name}, which an earlier run had left behind")
                preparation.check_ports(environment)
                running = plans.plans(environment, settings.BASE_DIR)
                prepare(self.say, check=self.check)
                plans.empty_counts(environment)
                self.say("starting broker, web, lane, worker, sender and beat")
                loop.Supervisor(
                    plans=running,
                    folder=environment.home,
                    is_ready=self.login_page_answers,
                    when_ready=lambda: self.say(f"ready: {settings.PUBLIC_URL}"),
                    say=self.say,
                ).run()
        except (home.Occupied, preparation.PortTaken, plans.NoBroker) as error:
            raise CommandError(str(error)) from error

    def become(self, role: str) -> NoReturn:
        """Run one process in place of this one, so that whoever started it sees its end and may signal it.

        Raises:
            CommandError: its port is taken, or the database was not prepared or not restored to the end.
        """
        environment = settings.ENVIRONMENT
        plan = plans.plan_of(role, environment, settings.BASE_DIR)
        try:
            require_finished()
            migrations_are_applied()
            if role == "lane":
                preparation.check_port(environment.host, environment.lane_port, variable="CONTROLPLANE_LANE_PORT")
            if role == "web":
                preparation.check_port(environment.host, environment.port, variable="CONTROLPLANE_PORT")
                preparation.collect_assets(settings.STATIC_ROOT)
        except NotReady as error:
            raise CommandError(f"{error}. Run `manage.py prepare` first.") from error
        except (BackupError, DatabaseError, preparation.PortTaken) as error:
            raise CommandError(f"{role} cannot start: {error}") from error
        connections.close_all()
        plans.empty_counts(environment, role)
        os.chdir(plan.folder)
        os.execve(plan.command[0], plan.command, plan.environment)  # noqa: S606  # our own program, no shell wanted

    def login_page_answers(self) -> bool:
        """Whether people can sign in."""
        environment = settings.ENVIRONMENT
        asked = urlsplit(settings.PUBLIC_URL).netloc
        return loop.answers(environment.host, environment.port, reverse(settings.LOGIN_URL), asked_host=asked)

    def say(self, words: str) -> None:
        """Tell the person at the terminal one line, at once."""
        self.stdout.write(f"control plane: {words}")
        self.stdout.flush()
