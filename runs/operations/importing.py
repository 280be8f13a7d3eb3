"""Imports from systems that keep their own record of runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from audit.actors import Acting
from audit.refusals import Problem
from runs.n8n import translate
from runs.operations.intake import Manner, Report, take
from runs.operations.results import IngestOutcome, Source
from runs.permissions import may_import
from runs.states import RunSource


@transaction.atomic
def import_n8n(*, executions: Sequence[object], source: Source, by: Acting, now: datetime) -> IngestOutcome:
    """Import n8n executions as captured over its REST API.

    The same execution twice is a duplicate; one that was running or waiting goes on where it
    was. The version that n8n names stays on the run as `external_version`.

    Args:
        executions: their JSON, in any order. Keep a call to some dozens: it is one transaction.
        source: the agent that they belong to, and where it ran.
        by: a person who may import for the agent, or the installation.
        now: aware UTC.

    Returns:
        For each execution a result for its run and one for each of its steps, all with the
        execution's index; and the usage to price in the same transaction.

    Raises:
        Missing, Forbidden: not an agent that `by` may import for.
    """
    may_import(by, source.agent)
    reports: list[Report] = []
    for index, execution in enumerate(executions):
        found = translate(execution, received_at=now)
        if isinstance(found, Problem):
            reports.append(Report(index, (found,)))
        else:
            reports.append(Report(index, found.run))
            reports += [Report(index, step) for step in found.steps]
    manner = Manner(kind="run.imported", origin=RunSource.N8N)
    return take(source=source, reports=reports, manner=manner, by=by, now=now)
