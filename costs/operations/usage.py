"""Recording what model calls used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction

from audit import sql
from audit.actors import Acting
from audit.operations import record
from audit.refusals import Invalid
from costs import in_force, own_prices
from costs.budgets import HOLD
from costs.models import BudgetAlert, DirtyBucket, Reservation, Usage
from costs.operations.alerts import alert, pause_spent
from costs.operations.known import contradicts, known_calls
from costs.own_prices import Rates
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
    instruments report the same answer. The id of an action that is not this agent's (as asker
    or executor) is dropped, as is that of one whose money was set aside longer ago than `HOLD` and
    `LATE` together: such a call counts by its own time. Called once per transaction and after its other writes: it ends
    with the locks of agents' usage and of budgets, which decisions wait for.

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
    in_force.hold_still()
    for agent_id in sorted({report.agent_id for report in usages}):
        sql.advisory_lock(f"costs.usage.{agent_id}")
    owned = _own_decisions(usages, now=now)
    known = known_calls(usages)
    own = own_prices.own_rates({report.model for report in usages})
    rows: list[Usage] = []
    links: dict[UUID, Usage] = {}
    found: list[tuple[UsageReport, Usage, str]] = []
    for report in usages:
        decision_id = report.decision_id if (report.agent_id, report.decision_id) in owned else None
        row, outcome = known.find(report), DUPLICATE
        if row is None:
            row, outcome = _row(report, decision_id, own, now=now), CREATED
            rows.append(row)
            known.add(row)
        elif contradicts(report, row):
            outcome = CONFLICT
        elif decision_id and row.decision_id is None:
            # The first instrument did not know the action; the second one does.
            row.decision_id = decision_id
            links[row.pk] = row
        found.append((report, row, outcome))
    # One statement for many rows: one by one, a batch of 500 takes ten times as long.
    Usage.objects.bulk_create(rows)
    mark_dirty(rows)
    charges = [charge for row in rows for charge in charges_of(row, row.cost_nanousd)]
    for row in rows:
        links.pop(row.pk, None)
    charges += _link(links.values())
    alerts = alert(standings=settle(charges=charges, now=now), by=by, now=now) if charges else []
    pause_after_commit(alerts, now=now)
    if rows or links:
        _note(rows, reports=len(usages), by=by, now=now)
    results = (RecordedUsage(report.event_id, outcome, row.pk, row.cost_nanousd) for report, row, outcome in found)
    return Recorded(tuple(results), tuple(alerts))


def charges_of(row: Usage, cost: int | None) -> list[Charge]:
    """Return what a call, or a change of its price, does to budgets: nothing for shadow and unpriced calls."""
    if cost is None or row.shadow:
        return []
    return [Charge(row.agent_id, row.team, row.task, row.at, cost, row.decision_id)]


def mark_dirty(rows: Iterable[Usage]) -> None:
    """Say that the sums of these rows' hours must be made again, in the transaction that changed them."""
    buckets = sorted({(row.hour, row.agent_id) for row in rows})
    DirtyBucket.objects.bulk_create([DirtyBucket(hour=hour, agent_id=agent_id) for hour, agent_id in buckets])


def pause_after_commit(alerts: Iterable[BudgetAlert], *, now: datetime) -> None:
    """Pause agents whose pausing budget is spent, once the settlement is committed and its locks are gone."""
    if any(each.pausing for each in alerts):
        # A function with a name: Django looks for it when it fails, and a partial has none.
        def pause() -> None:
            pause_spent(now=now)

        transaction.on_commit(pause, robust=True)


def _own_decisions(usages: Sequence[UsageReport], *, now: datetime) -> set[tuple[int, UUID | None]]:
    """Return (agent, decision) for every named decision that the agent asked for or executes, and may still charge."""
    ids = {report.decision_id for report in usages if report.decision_id}
    if not ids:
        return set()
    # Money set aside names the period that its decision's calls count into. Without an end, an agent
    # could name an old action for ever, and today's budget would see nothing of what it spends.
    over = Reservation.objects.filter(decision_id__in=ids, created_at__lt=now - HOLD - LATE)
    ids -= set(over.values_list("decision_id", flat=True))
    owned: set[tuple[int, UUID | None]] = set()
    for pk, asker, executor in Decision.objects.filter(pk__in=ids).values_list("pk", "agent_id", "executor_id"):
        owned.add((asker, pk))
        if executor:
            owned.add((executor, pk))
    return owned


def _row(report: UsageReport, decision_id: UUID | None, own: Mapping[str, Rates], *, now: datetime) -> Usage:
    at = moment_of(report, now=now)
    price = own_prices.price(own, provider=report.provider, model=report.model, tokens=report.tokens, at=at)
    return Usage(
        agent_id=report.agent_id,
        event_id=report.event_id,
        response_id=report.response_id,
        team=report.team,
        environment=report.environment,
        version=report.version,
        task=report.task,
        provider=report.provider,
        model=report.model,
        run_id=report.run_id,
        step_id=report.step_id,
        decision_id=decision_id,
        input_uncached=report.input_uncached,
        cache_read=report.cache_read,
        cache_write=report.cache_write,
        output=report.output,
        reasoning=report.reasoning,
        cost_nanousd=price.nanousd if price else None,
        price_version=price.version if price else "",
        at=at,
        hour=at.replace(minute=0, second=0, microsecond=0),
        received_at=now.astimezone(UTC),
        late=now - at > LATE,
        shadow=report.shadow,
    )


def _link(rows: Iterable[Usage]) -> list[Charge]:
    """Tie known calls to their actions, and return what that moves between periods."""
    charges = []
    for row in rows:
        Usage.objects.filter(pk=row.pk, decision_id=None).update(decision_id=row.decision_id)
        for charge in charges_of(row, row.cost_nanousd):
            back = Charge(charge.agent_id, charge.team, charge.task, charge.at, -charge.cost_nanousd)
            charges += [back, charge]
    return charges


def _note(rows: Sequence[Usage], *, reports: int, by: Acting, now: datetime) -> None:
    teams = {row.team for row in rows}
    record(
        kind="usage.recorded",
        object_type="usage",
        object_id=str(rows[0].pk) if len(rows) == 1 else "batch",
        by=by,
        now=now,
        team=teams.pop() if len(teams) == 1 else "",
        agent=by.actor.id if by.actor.type == "agent" else "",
        outcome=CREATED,
        details={
            "reports": reports,
            "created": len(rows),
            "unpriced": sum(row.cost_nanousd is None for row in rows),
            "cost_nanousd": str(sum(row.cost_nanousd or 0 for row in rows)),
        },
    )
