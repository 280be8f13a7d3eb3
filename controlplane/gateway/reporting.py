"""What agents report back: outcomes, withdrawals, runs and usage."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from approvals.models import ApprovalRequest, Grant
from approvals.operations import cancel_request, report_outcome, revoke_grant
from approvals.refusals import AlreadyDecided, OutcomeConflict
from approvals.states import GrantState
from audit import sql
from audit.actors import Acting
from audit.refusals import Missing
from controlplane.gateway import standing as facts
from controlplane.gateway.approved import find_decision
from controlplane.gateway.asking import Clock
from costs.budgets import release
from costs.operations import UsageReport, record_usage
from costs.reports import LONGEST_EVENT_ID
from policies.models import Decision
from registry.authentication import Principal
from registry.models import Agent, AgentVersion, User
from runs.operations import (
    IngestOutcome,
    ItemResult,
    ReportedUsage,
    Source,
    add_steps,
    import_n8n,
    open_run,
    update_run,
)
from runs.operations import ingest as ingest_events


def outcome(
    *,
    principal: Principal,
    action_id: UUID,
    succeeded: bool,
    note: str,
    result_digest: str,
    clock: Clock = sql.clock,
) -> Grant:
    """Report what came of an action, once; what is still reserved for it is released.

    Only usage carries cost: an outcome closes the reservation, it settles nothing.

    Args:
        principal: the executor's key.
        action_id: the decision's id.
        succeeded: whether it worked.
        note: the executor's own words.
        result_digest: digest of the result, or empty.
        clock: read once.

    Raises:
        Missing: not this agent's action.
        OutcomeConflict: nothing was redeemed, or another outcome was reported.
    """
    with sql.writing():
        decision = find_decision(action_id=action_id, principal=principal)
        grant = (
            Grant.objects.select_related("agent")
            .filter(decision=decision, executor=principal.agent_id)
            .order_by("-id")
            .first()
        )
        if grant is None:
            raise OutcomeConflict("There is no grant of yours for this action.")
        now = clock()
        fresh = report_outcome(
            grant=grant, succeeded=succeeded, note=note, result_digest=result_digest, by=principal, now=now
        )
        if fresh:
            release(decision_id=decision.pk, by=principal, now=now)
    return grant


def cancel(*, principal: Principal, action_id: UUID, clock: Clock = sql.clock) -> Decision:
    """Withdraw an action that waits for people or was not yet redeemed.

    Raises:
        Missing: not asked by this agent.
        AlreadyDecided: there is nothing to withdraw.
    """
    with sql.writing():
        decision = find_decision(action_id=action_id, principal=principal)
        if decision.agent_id != principal.agent_id:
            raise Missing
        now = clock()
        request = ApprovalRequest.objects.open().select_related("agent").filter(decision=decision).first()
        if request is not None:
            cancel_request(request=request, by=principal, now=now, reason="withdrawn by the agent")
            # Handed over first and held again since, it still has its cost set aside.
            release(decision_id=decision.pk, by=principal, now=now)
            return decision
        grant = Grant.objects.select_related("agent").filter(decision=decision, state=GrantState.ISSUED).first()
        if grant is None:
            raise AlreadyDecided("There is nothing left to withdraw.")
        _void(grant, reason="withdrawn by the agent", by=principal, now=now)
    return decision


def revoke(*, grant: Grant, reason: str, by: User, now: datetime) -> None:
    """Void an issued grant for a person.

    Args:
        grant: with its agent.
        reason: why.
        by: one of its approvers, an operator of the team, or an administrator.
        now: aware UTC.

    Raises:
        Forbidden: none of these.
        IllegalTransition, Stale: it is no longer issued.
    """
    with sql.writing():
        _void(grant, reason=reason, by=by, now=now)


def _void(grant: Grant, *, reason: str, by: Acting, now: datetime) -> None:
    revoke_grant(grant=grant, reason=reason, by=by, now=now)
    # What was handed over reserved its cost when it was allowed; nobody will report an outcome.
    release(decision_id=grant.decision_id, by=by, now=now)


def ingest(*, principal: Principal, items: Sequence[object], clock: Clock = sql.clock) -> IngestOutcome:
    """Take a batch of runs and steps, and the usage inside them, in one transaction.

    Stays open while an agent is paused: what happened is evidence.

    Args:
        principal: the reporting key.
        items: up to 500 events.
        clock: read once.

    Raises:
        TooLarge: more than 500 items.
    """
    return _reported(principal, clock, partial(ingest_events, items=items))


def report_run(*, principal: Principal, body: object, clock: Clock = sql.clock) -> ItemResult:
    """Take one run; arguments as for `ingest`. What is wrong with it stands in the result."""
    return _reported(principal, clock, partial(open_run, body=body)).results[0]


def report_step(*, principal: Principal, run_id: UUID, body: object, clock: Clock = sql.clock) -> ItemResult:
    """Take one step of a run, and the usage inside it; arguments as for `ingest`.

    Raises:
        Missing: not a run of this agent.
    """
    return _reported(principal, clock, partial(add_steps, run_id=run_id, items=[body])).results[0]


def amend_run(*, principal: Principal, run_id: UUID, body: object, clock: Clock = sql.clock) -> ItemResult:
    """Take what changed about a run; arguments as for `ingest`.

    Raises:
        Missing: not a run of this agent.
    """
    return _reported(principal, clock, partial(update_run, run_id=run_id, changes=body)).results[0]


def _reported(principal: Principal, clock: Clock, take: Callable[..., IngestOutcome]) -> IngestOutcome:
    """Take reports and book their usage, in one transaction."""
    with sql.writing():
        standing = facts.by_agent(agent_id=principal.agent_id, environment=principal.environment, lock=False)
        now = clock()
        source = Source(
            agent=Agent.objects.select_related("team").get(pk=principal.agent_id),
            environment=principal.environment,
            version_id=standing.version_id,
            may_backfill=False,
        )
        found = take(source=source, by=principal, now=now)
        _book(found.usages, by=principal, now=now)
    return found


def import_executions(
    *, agent: Agent, environment: str, executions: Sequence[object], by: User, clock: Clock = sql.clock
) -> IngestOutcome:
    """Import executions in n8n's own format as runs of an agent, with the usage inside them.

    Args:
        agent: whose runs they become.
        environment: where they ran.
        executions: as n8n's API returns them; known ones change nothing.
        by: who imports.
        clock: read once.

    Returns:
        What became of each run and step.
    """
    with sql.writing():
        now = clock()
        # Which version of ours ran back then is not known; n8n's own version id stays on the run.
        source = Source(agent=agent, environment=environment, version_id=None, may_backfill=True)
        found = import_n8n(executions=executions, source=source, by=by, now=now)
        _book(found.usages, by=by, now=now)
    return found


def _book(usages: Sequence[ReportedUsage], *, by: Acting, now: datetime) -> None:
    """Hand what runs report to the ledger, in the same transaction."""
    if not usages:
        return
    numbers = dict(AgentVersion.objects.filter(pk__in={item.version_id for item in usages}).values_list("pk", "number"))
    record_usage(
        usages=[
            UsageReport(
                agent_id=item.agent_id,
                team=item.team,
                environment=item.environment,
                version=numbers.get(item.version_id) if item.version_id else None,
                task=item.task,
                provider=item.provider,
                model=item.model,
                input_uncached=item.input_uncached,
                cache_read=item.cache_read,
                cache_write=item.cache_write,
                output=item.output,
                reasoning=item.reasoning,
                response_id=item.response_id or "",
                at=item.at,
                event_id=_event_id(item.event_id),
                decision_id=item.action_id,
                run_id=item.run_id,
                step_id=item.step_id,
            )
            for item in usages
        ],
        by=by,
        now=now,
    )


def _event_id(step: str) -> str:
    """Return the id by which costs know a step's call: of a longer one the end is a hash, so that it stays unique."""
    if len(step) <= LONGEST_EVENT_ID:
        return step
    return step[: LONGEST_EVENT_ID - 65] + "~" + hashlib.sha256(step.encode()).hexdigest()
