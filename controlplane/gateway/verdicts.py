"""From a judgement to a verdict that was paid for: limits and budgets on top of policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from audit import sql
from controlplane.gateway.standing import Standing
from costs.budgets import BudgetRefusal, budgets_for, reserve
from costs.in_force import BudgetSpec
from policies import limits
from policies.compile import Snapshot
from policies.demands import exhausted
from policies.engine import judge
from policies.facts import Action, Declared, LimitDemand, Reason, Subject, Verdict
from policies.reasons import reason
from policies.states import Effect


def judged(snapshot: Snapshot, subject: Subject, declared: Declared, *, now: datetime) -> tuple[Action | None, Verdict]:
    """Judge by the pure engine, which answers every exception with a denial."""
    return judge(snapshot, subject, declared, now)


def settled(
    snapshot: Snapshot, subject: Subject, declared: Declared, *, clock: Callable[[], datetime], lock: bool = True
) -> tuple[Action | None, Verdict, datetime]:
    """Judge at a time that was read after the locks of every limit that the judgement names.

    Which limits apply is only known from a judgement, and a judgement needs a time; so it judges,
    locks, reads the clock and judges again, until it names nothing that is not locked. Where no rule
    asks for the time, the first judgement is as good as the last.

    Args:
        snapshot: the policies in force.
        subject: the asking agent.
        declared: what it said.
        clock: the one clock of all writers.
        lock: False for a dry run, which holds nobody up.

    Returns:
        The action, the verdict, and the time.
    """
    if not lock or not sql.is_postgresql():
        # SQLite's transaction shut out every other writer when it began: all is locked.
        now = clock()
        return *judged(snapshot, subject, declared, now=now), now
    action, verdict = judged(snapshot, subject, declared, now=sql.now())
    locked: set[str] = set()
    while True:
        now = _locked(verdict.limits, clock)
        locked |= {demand.key for demand in verdict.limits}
        if not snapshot.timed:
            return action, verdict, now
        action, verdict = judged(snapshot, subject, declared, now=now)
        if {demand.key for demand in verdict.limits} <= locked:
            return action, verdict, now


def _locked(demands: Sequence[LimitDemand], clock: Callable[[], datetime]) -> datetime:
    """Lock limits, then read the clock."""
    at = limits.lock(demands)
    # The database's own clock was read in the same round trip.
    return at if clock is sql.clock else clock()


def denied(verdict: Verdict, why: Reason) -> Verdict:
    """Turn a verdict into a denial; nothing is taken."""
    return _instead(verdict, Effect.DENY, why, None)


def throttled(verdict: Verdict, why: Reason, *, retry_at: datetime | None = None) -> Verdict:
    """Turn a verdict into a throttle; nothing is taken."""
    return _instead(verdict, Effect.THROTTLE, why, retry_at)


def _instead(verdict: Verdict, effect: Effect, why: Reason, retry_at: datetime | None) -> Verdict:
    return replace(verdict, effect=str(effect), reasons=(why,), queues=(), limits=(), retry_at=retry_at, obligations=())


def limited(verdict: Verdict, *, now: datetime) -> Verdict:
    """Apply the limits, whose locks the caller holds: a spent one throttles.

    A limit smaller than the action itself denies: no wait would ever be enough.
    """
    spent = limits.first_exhausted(verdict.limits, now=now)
    if spent is None:
        return verdict
    effect = Effect.DENY if spent.retry_at is None else Effect.THROTTLE
    return _instead(verdict, effect, exhausted(spent.demand, spent.admitted), spent.retry_at)


def reserved(
    verdict: Verdict,
    *,
    standing: Standing,
    task: str,
    decision_id: UUID,
    estimate_nanousd: int | None,
    keep: bool,
    now: datetime,
) -> Verdict:
    """Reserve the action's cost in every budget above it: a spent one denies, or throttles as it says.

    Args:
        verdict: an allow.
        standing: the agent and the revisions in force.
        task: the task, or empty.
        decision_id: the decision that reserves.
        estimate_nanousd: nano-USD that the action is said to cost; None: the budget's own.
        now: the time read under the locks.
        keep: False for a dry run, which is told the answer and takes nothing.
    """
    budgets = budgets_for(agent_id=standing.agent_id, team_id=standing.team_id, task=task, revision=standing.catalogue)
    if not budgets:
        return verdict
    if keep:
        refusal = reserve(budgets=budgets, decision_id=decision_id, estimate_nanousd=estimate_nanousd, now=now)
    else:
        refusal = _tried(budgets, decision_id, estimate_nanousd, now)
    if refusal is None:
        return verdict
    effect = Effect.THROTTLE if refusal.effect == "throttle" else Effect.DENY
    why = reason("budget_exhausted", budget=refusal.budget, detail=refusal.text)
    return _instead(verdict, effect, why, refusal.retry_at)


def _tried(
    budgets: Sequence[BudgetSpec], decision_id: UUID, estimate_nanousd: int | None, now: datetime
) -> BudgetRefusal | None:
    """Say what a reservation would be answered, and leave nothing."""
    with transaction.atomic():
        refusal = reserve(budgets=budgets, decision_id=decision_id, estimate_nanousd=estimate_nanousd, now=now)
        transaction.set_rollback(True)
    return refusal
