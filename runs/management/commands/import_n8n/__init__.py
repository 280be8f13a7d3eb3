"""``manage.py import_n8n AGENT FILE… --environment production --by USER``, as far as runs know it.

A package and not a module, because Django offers only modules as commands, and of two with one
name the lower app's. The command that people call is the subclass in `controlplane`, which
also prices what the executions used.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError

from audit import sql
from audit.refusals import Missing, Refusal
from registry.models import Agent, User
from registry.states import Environment
from runs.n8n import executions_in
from runs.operations import IngestOutcome, ItemStatus, Source, import_n8n

# Executions per transaction: short ones keep SQLite's single writer free for others.
CHUNK = 25


class Command(BaseCommand):
    """Imports n8n executions from files, as captured over n8n's REST API."""

    help = "Import n8n executions (a single one, a list, or a page {data: [...]}) as runs of an agent."
    # What imports one chunk; the command above, which also prices the usage, puts its own in its place.
    importer: ClassVar[Callable[..., IngestOutcome]] = staticmethod(import_n8n)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("agent", help="slug of the agent that the executions belong to")
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON files")
        parser.add_argument("--environment", choices=Environment.values, default=Environment.PRODUCTION)
        parser.add_argument("--by", required=True, metavar="USER", help="who imports")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the files and print what became of them; fail at the end where something was not taken."""
        agent = Agent.objects.select_related("team").filter(slug=options["agent"]).first()
        user = User.objects.filter(username=options["by"], is_active=True).first()
        if agent is None:
            raise CommandError(f"There is no agent {options['agent']}.")
        if user is None:
            raise CommandError(f"There is no active user {options['by']}.")
        # Which version ran then is not known; n8n's own version id is kept on the run.
        source = Source(agent=agent, environment=options["environment"], may_backfill=True)
        left = 0
        for path in options["files"]:
            executions = _read(path)
            counts: Counter[str] = Counter()
            for start in range(0, len(executions), CHUNK):
                chunk = executions[start : start + CHUNK]
                try:
                    outcome = self.importer(executions=chunk, source=source, by=user, now=sql.now())
                except Missing as refusal:
                    # It is there, and not theirs to see; "not found" would be read as the file.
                    raise CommandError(f"{user.username} sees no agent {agent.slug}.") from refusal
                except Refusal as refusal:
                    raise CommandError(f"{path}: {refusal.detail}") from refusal
                counts.update(outcome.counts)
                counts["usages"] += len(outcome.usages)
                self._complain(path, start, outcome)
            told = ", ".join(f"{counts[name]} {name}" for name in (*ItemStatus, "usages"))
            self.stdout.write(f"{path}: {len(executions)} executions: {told}")
            left += counts[ItemStatus.INVALID] + counts[ItemStatus.CONFLICT]
        if left:
            raise CommandError(f"{left} of the items were not taken; all others are in.")

    def _complain(self, path: Path, start: int, outcome: IngestOutcome) -> None:
        for result in outcome.results:
            for problem in result.errors:
                place = f"execution {start + result.index}{problem.pointer}"
                self.stderr.write(f"{path}: {place}: {problem.detail}")
            if result.status == ItemStatus.CONFLICT and not result.errors:
                self.stderr.write(f"{path}: execution {start + result.index}: another one of this id is there already.")


def _read(path: Path) -> list[object]:
    try:
        return executions_in(json.loads(path.read_bytes()))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is not JSON: {error}") from error
