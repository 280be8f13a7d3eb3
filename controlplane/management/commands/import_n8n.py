"""``manage.py import_n8n`` with the ledger: what the executions used is priced in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from controlplane import gateway
from registry.models import User
from runs.management.commands import import_n8n
from runs.operations import IngestOutcome, Source


def _import(*, executions: Sequence[object], source: Source, by: User, now: datetime) -> IngestOutcome:
    return gateway.import_executions(
        agent=source.agent, environment=source.environment, executions=executions, by=by, clock=lambda: now
    )


class Command(import_n8n.Command):
    """The command of `runs`, by the road that knows of costs."""

    importer = staticmethod(_import)
