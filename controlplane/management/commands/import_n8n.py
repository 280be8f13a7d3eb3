"""``manage.py import_n8n``: executions in n8n's own format as runs of an agent."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.refusals import Refusal
from controlplane import gateway
from registry import permissions
from registry.models import Agent, User
from registry.states import Environment


class Command(BaseCommand):
    """Read files as n8n's public API returns them, with ``includeData=true``."""

    help = "Import n8n executions (one, or a list under `data`) as runs; secrets are redacted, known ones change nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("agent", help="slug of the agent whose runs they become")
        parser.add_argument("files", nargs="+", type=Path)
        parser.add_argument("--environment", choices=Environment.values, default=Environment.PRODUCTION)
        parser.add_argument("--by", required=True, help="user name of an operator of the team, or an administrator")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import and print what came of it.

        Raises:
            CommandError: unknown agent or person, no permission, or a file that is not JSON.
        """
        agent = Agent.objects.select_related("team").filter(slug=options["agent"]).first()
        person = User.objects.filter(username=options["by"]).first()
        if agent is None or person is None:
            raise CommandError(f"There is no {'agent' if agent is None else 'person'} of this name.")
        executions: list[object] = []
        for path in options["files"]:
            executions.extend(_read(path))
        try:
            permissions.may_operate(person, agent)
            outcome = gateway.import_executions(
                agent=agent, environment=options["environment"], executions=executions, by=person
            )
        except Refusal as refusal:
            raise CommandError(f"{refusal.title}: {refusal.detail}") from refusal
        for result in outcome.results:
            for problem in result.errors:
                self.stderr.write(f"item {result.index}{problem.pointer}: {problem.detail}")
        counts = ", ".join(f"{count} {status}" for status, count in sorted(outcome.counts().items()))
        self.stdout.write(f"{len(executions)} executions read; runs and steps: {counts or 'none'}")


def _read(path: Path) -> list[object]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}") from error
    if isinstance(document, dict) and isinstance(document.get("data"), list):
        return list(document["data"])
    return document if isinstance(document, list) else [document]
