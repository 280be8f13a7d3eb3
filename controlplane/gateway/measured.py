"""The journey with its metrics: what interfaces call. Counting changes no answer and cannot fail one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from approvals.models import Grant
from audit import sql
from audit.refusals import Refusal
from controlplane.gateway import asking, redeeming, reporting
from controlplane.gateway.answers import Answer
from controlplane.gateway.asking import Clock
from controlplane.gateway.bodies import AskBody
from controlplane.gateway.redeeming import Redeemed
from controlplane.operating.metrics import counts
from registry.authentication import Principal
from runs.operations import IngestOutcome, ItemResult


def ask(
    *, principal: Principal, key: str | None, raw: bytes, form: type[AskBody] = AskBody, clock: Clock = sql.clock
) -> Answer:
    """Answer an agent's question: `controlplane.gateway.asking.ask`, counted and timed."""
    began = time.perf_counter()
    try:
        answer = asking.ask(principal=principal, key=key, raw=raw, form=form, clock=clock)
    except Exception:
        # Whatever it is, and it goes on unchanged: an agent that was told nothing is counted, or a fault of ours
        # would show in the metrics as fewer questions.
        counts.not_decided(environment=principal.environment)
        raise
    counts.decided(
        effect=answer.effect,
        environment=principal.environment,
        replayed=answer.replayed,
        seconds=time.perf_counter() - began,
    )
    return answer


def redeem(
    *, principal: Principal, action_id: UUID, key: str | None, digest: str, clock: Clock = sql.clock
) -> Redeemed:
    """Use a grant up: `controlplane.gateway.redeeming.redeem`, counted."""
    try:
        redeemed = redeeming.redeem(principal=principal, action_id=action_id, key=key, digest=digest, clock=clock)
    except Exception as error:
        # As in `ask`: counted whatever it is, and raised again.
        counts.redeemed(result=_code(error))
        raise
    counts.redeemed(result="redeemed")
    return redeemed


def outcome(*, principal: Principal, action_id: UUID, succeeded: bool, **said: Any) -> Grant:
    """Take the report of an outcome: `controlplane.gateway.reporting.outcome`, counted."""
    try:
        grant = reporting.outcome(principal=principal, action_id=action_id, succeeded=succeeded, **said)
    except Exception as error:
        # As in `ask`.
        counts.reported(result=_code(error))
        raise
    counts.reported(result="succeeded" if succeeded else "failed")
    return grant


def ingest(*, principal: Principal, items: Sequence[object], clock: Clock = sql.clock) -> IngestOutcome:
    """Take a batch: `controlplane.gateway.reporting.ingest`, counted by what became of its items."""
    found = reporting.ingest(principal=principal, items=items, clock=clock)
    counts.ingested(results=found.counts)
    return found


def report_run(*, principal: Principal, body: object, clock: Clock = sql.clock) -> ItemResult:
    """Take one run: `controlplane.gateway.reporting.report_run`, counted."""
    return _counted(reporting.report_run(principal=principal, body=body, clock=clock))


def report_step(*, principal: Principal, run_id: UUID, body: object, clock: Clock = sql.clock) -> ItemResult:
    """Take one step: `controlplane.gateway.reporting.report_step`, counted."""
    return _counted(reporting.report_step(principal=principal, run_id=run_id, body=body, clock=clock))


def amend_run(*, principal: Principal, run_id: UUID, body: object, clock: Clock = sql.clock) -> ItemResult:
    """Take a change of a run: `controlplane.gateway.reporting.amend_run`, counted."""
    return _counted(reporting.amend_run(principal=principal, run_id=run_id, body=body, clock=clock))


def _counted(result: ItemResult) -> ItemResult:
    counts.ingested(results={str(result.status): 1})
    return result


def _code(error: Exception) -> str:
    """Return the refusal's code; anything unexpected shares one word."""
    return error.code if isinstance(error, Refusal) else "error"
