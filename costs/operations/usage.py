"""Recording what model calls used, and pricing it again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from django.db import connection, transaction

from audit import sql
from audit.actors import Acting
from audit.operations import record
from audit.refusals import Invalid
from costs import in_force, prices
from costs.models import BudgetAlert, DirtyBucket, Usage
from costs.operations.alerts import alert, pause_spent
from costs.operations.duplicates import Known, known_calls
from costs.reports import LATE, UsageReport, defects, moment_of
from costs.settlement import Charge, settle
from policies.models import Decision

CREATED, DUPLICATE, CONFLICT = "created", "duplicate", "conflict"


@dataclass(frozen=True, slots=True)
class RecordedUsage:
    """What became of one report.

    Attributes:
        event_id: the report's.
        outcome: ``created``; ``duplicate`` (the call was known); ``conflict`` (its event id was
            used for another call: the first stays).
        usage_id: the row that stands for the call.
        cost_nanousd: what it cost, nano-USD; None: unpriced.
    """

    event_id: str
    outcome: str
    usage_id: UUID
    cost_nanousd: int | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch.

    Attributes:
        results: one per report, in its order.
        alerts: thresholds that it passed.
    """

    results: tuple[RecordedUsage, ...]
    alerts: tuple[BudgetAlert, ...]


@transaction.atomic
def record_usage(*, usages: Sequence[UsageReport], by: Acting, now: datetime) -> Recorded:
    """Price and keep what model calls used, settle their reservations, alert at thresholds.

    Each call counts once: it is known again by its event id, and by its response id where two
    instruments report the same answer. An action's id that is not an action of this agent (as
    asker or executor) is dropped. Called once per transaction and after its other writes: it
    ends with the locks of agents' usage and of budgets, which decisions wait for.

    Args:
        usages: the reports.
        by: who reports; the batch leaves one entry in the trail.
        now: when, aware UTC.

    Raises:
        Invalid: a report has defects; nothing of the batch is kept. `costs.reports.defects`
            finds them beforehand, one by one.
    """
    problems = [problem for index, report in enumerate(usages) for problem in defects(report, f"/{index}")]
    if problems:
        raise Invalid("The usage is not valid.", errors=problems)
    if not usages:
        return Recorded((), ())
    in_force.hold_still()
    for agent_id in sorted({report.agent_id for report in usages}):
        sql.advisory_lock(f"costs.usage.{agent_id}")
    owned = _own_decisions(usages)
    known = known_calls(usages)
    rows: list[Usage] = []
    charges: list[Charge] = []
    results: list[RecordedUsage] = []
    for report in usages:
        decision_id = report.decision_id if (report.agent_id, report.decision_id) in owned else None
        row = known.find(report)
        if row is None:
            row = _row(report, decision_id, now=now)
            rows.append(row)
            known.add(row)
            charges.extend(_charges(row, row.cost_nanousd, row.decision_id))
            outcome = CREATED
        else:
            outcome = DUPLICATE if known.same(report, row) else CONFLICT
            if outcome == DUPLICATE and decision_id and row.decision_id is None:
                charges.extend(_link(row, decision_id, new=row in rows))
        results.append(RecordedUsage(report.event_id, outcome, row.pk, row.cost_nanousd))
    # One statement for a batch of 500: row by row it takes ten times as long.
    Usage.objects.bulk_create(rows)
    _mark(rows)
    alerts = alert(standings=settle(charges=charges, now=now), by=by, now=now) if charges else []
    if any(each.pausing for each in alerts):
        transaction.on_commit(partial(pause_spent, now=now), robust=True)
    if rows:
        _note(rows, reports=len(usages), by=by, now=now)
    return Recorded(tuple(results), tuple(alerts))
