"""Asking leave: one transaction from the question to the recorded answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError

from approvals.models import ApprovalRequest
from approvals.operations import Held, NewGrant, hold, write_grant
from approvals.operations.grants import GRANT_LIFE, HANDED_OVER_LIFE
from approvals.operations.requests import MOST_PENDING
from approvals.states import GrantState
from audit import sql
from audit.ids import new_id
from audit.refusals import KeyReused, invalid
from controlplane.gateway import standing as facts
from controlplane.gateway.answers import Answer, answer_of, replay
from controlplane.gateway.bodies import (
    AskBody,
    Asked,
    CallBody,
    action_digest,
    call_of,
    canonical_action,
    declared_of,
    read_ask,
    read_key,
)
from controlplane.gateway.callbacks import check_callback, keep
from controlplane.gateway.routing import risk_of, routed, with_room
from controlplane.gateway.standing import Standing
from controlplane.gateway.verdicts import limited, reserved, settled, throttled
from policies import limits, snapshots
from policies.compile import Snapshot
from policies.destinations import DestinationInvalid, check_destination
from policies.facts import Action, Verdict
from policies.models import Decision
from policies.operations import NewDecision, write_decision
from policies.operations.decisions import reasons_as_json
from policies.reasons import reason
from policies.states import Effect
from registry.authentication import Principal
from registry.models import Agent
from runs.operations import stub_run

Clock = Callable[[], datetime]
# Two processes may answer one key at once: the loser's transaction fails at the unique
# constraint and, run again, finds the winner's answer.
_TRIES = 3


def ask(
    *, principal: Principal, key: str | None, raw: bytes, form: type[AskBody] = AskBody, clock: Clock = sql.clock
) -> Answer:
    """Answer an agent's question "may I?", and write the answer down before it is given.

    Args:
        principal: the authenticated key.
        key: the ``Idempotency-Key`` header.
        raw: the body's bytes.
        form: what the body may hold; protocols for tool calls ask with a `CallBody`.
        clock: read once, after the locks.

    Returns:
        The decision; ``replayed`` where this key was answered before.

    Raises:
        Malformed, Invalid, TooLarge, KeyReused: the request is not one.
        Unauthenticated: the key was revoked in the meantime.
        django.db.DatabaseError: nothing was decided; interfaces answer 503.
    """
    idempotency_key = read_key(key)
    asked = read_ask(raw, form=form)
    if asked.body.callback_url is not None:
        check_callback(asked.body.callback_url)
    if asked.body.destination is not None:
        try:
            check_destination(asked.body.destination)
        except DestinationInvalid as error:
            raise invalid("/destination", error.code, error.detail) from error
    for tries_left in reversed(range(_TRIES)):
        try:
            with sql.writing():
                return _ask(principal, idempotency_key, asked, clock)
        except IntegrityError:
            if not tries_left:
                raise
    raise AssertionError("unreachable")


def _ask(principal: Principal, key: str, asked: Asked, clock: Clock) -> Answer:
    standing = facts.by_key(
        agent_id=principal.agent_id,
        key_id=principal.key_id,
        environment=principal.environment,
        idempotency_key=key,
        now=sql.now(),
    )
    if standing.earlier is not None:
        earlier = Decision.objects.get(pk=standing.earlier)
        # One key belongs to one question: the same words in another environment are another question.
        if earlier.body_digest != asked.digest or earlier.environment != standing.environment:
            raise KeyReused
        return replay(earlier)
    executor = _executor(asked, standing)
    snapshot = snapshots.current(digest=standing.policy_digest, catalogue=standing.catalogue)
    # Before the locks of limits and budgets: a stub may have to wait for an ingest that wants the budgets next.
    run_id = None if asked.body.dry_run else _run(principal, standing, asked.body.run_id)
    decision_id = new_id()
    # Whatever can be computed before the locks is: others wait for what is done under them.
    body = asked.body
    canonical = canonical_action(body, agent=standing.agent, environment=standing.environment, verb=body.verb)
    digest = action_digest(canonical)
    action, verdict, now = _settle(standing, snapshot, asked, clock)
    grant = approval = None
    # Nobody reads what most of these answer: one round trip, under the lock of a budget that others wait for.
    with sql.together():
        if verdict.effect == Effect.ALLOW:
            verdict = reserved(
                verdict,
                standing=standing,
                task=body.task,
                decision_id=decision_id,
                estimate_nanousd=body.estimated_cost_nanousd,
                keep=not body.dry_run,
                now=now,
            )
        write_decision(
            new=NewDecision(
                id=decision_id,
                agent_id=standing.agent_id,
                agent=standing.agent,
                team=standing.team,
                key_id=principal.public_id,
                environment=standing.environment,
                version=standing.version,
                run_id=run_id,
                step=body.step,
                task=body.task,
                purpose=body.purpose,
                idempotency_key=key,
                body_digest=asked.digest,
                digest=digest,
                verb=body.verb,
                action=action,
                verdict=verdict,
                policy_revision=standing.policy_revision,
                executor_id=executor.pk if executor else None,
                estimated_cost_nanousd=body.estimated_cost_nanousd,
                dry_run=body.dry_run,
                body=asked.raw,
            ),
            by=principal,
            now=now,
        )
        if verdict.effect == Effect.ALLOW and not body.dry_run:
            limits.admit(verdict.limits, decision_id=decision_id, now=now)
            # A tool call is redeemed by the asker itself, right before it runs.
            redeemed_later = executor is not None or call_of(body) is not None
            grant = write_grant(
                new=NewGrant(
                    decision_id=decision_id,
                    approval_id=None,
                    agent_id=standing.agent_id,
                    agent=standing.agent,
                    executor_id=executor.pk if executor else standing.agent_id,
                    agent_epoch=standing.epoch,
                    team=standing.team,
                    state=GrantState.ISSUED if redeemed_later else GrantState.REDEEMED,
                    digest=digest,
                    life=HANDED_OVER_LIFE if redeemed_later else GRANT_LIFE,
                ),
                by=principal,
                now=now,
            )
    if verdict.effect == Effect.REVIEW and not body.dry_run and action is not None:
        approval = hold(
            held=Held(
                decision_id=decision_id,
                agent_id=standing.agent_id,
                agent_epoch=standing.epoch,
                team=standing.team,
                issued_by_id=standing.issued_by_id,
                queues=verdict.queues,
                body=canonical,
                digest=digest,
                facts=held_facts(asked, action),
                reasons=reasons_as_json(verdict.reasons),
                risk=risk_of(action, agent_id=standing.agent_id).tier,
                within_seconds=body.within_seconds if isinstance(body, CallBody) else None,
            ),
            by=principal,
            now=now,
        )
        if body.callback_url is not None:
            keep(approval, body.callback_url)
    return answer_of(
        decision_id, verdict, digest, revision=standing.policy_revision, grant=grant,
        executor=executor.slug if executor else standing.agent, approval=approval,
    )  # fmt: skip


def _settle(
    standing: Standing, snapshot: Snapshot, asked: Asked, clock: Clock
) -> tuple[Action | None, Verdict, datetime]:
    """Judge, look at limits and queues, and say when: locks first, the clock after them."""
    body = asked.body
    action, verdict, now = settled(snapshot, standing.subject(), declared_of(body), clock=clock, lock=not body.dry_run)
    if verdict.effect in {Effect.ALLOW, Effect.REVIEW}:
        verdict = limited(verdict, now=now)
    verdict = routed(verdict, action, standing)
    if verdict.effect == Effect.REVIEW:
        verdict = _room_in_queues(verdict, standing, now)
    return action, verdict, now


def _room_in_queues(verdict: Verdict, standing: Standing, now: datetime) -> Verdict:
    """Throttle an agent that has too much waiting, and what a queue has no room for."""
    sql.advisory_lock(f"approvals.pending.{standing.agent_id}")
    waiting = ApprovalRequest.objects.in_time(now).filter(agent=standing.agent_id, agent_epoch=standing.epoch)
    ends = list(waiting.order_by("expires_at").values_list("expires_at", flat=True)[:MOST_PENDING])
    if len(ends) < MOST_PENDING:
        return with_room(verdict, now=now)
    return throttled(verdict, reason("approval_queue_full", most=MOST_PENDING), retry_at=ends[0])


def _executor(asked: Asked, standing: Standing) -> Agent | None:
    """Return the other agent that is to act; None where the asker acts itself."""
    name = asked.body.executor
    if name in {"self", standing.agent}:
        return None
    executor = Agent.objects.active().filter(slug=name, team=standing.team_id).first()
    if executor is None:
        raise invalid("/executor", "unknown_agent", "There is no such active agent in your team.")
    return executor


def _run(principal: Principal, standing: Standing, run: str | None) -> UUID | None:
    if run is None:
        return None
    return stub_run(principal=principal, version_id=standing.version_id, reference=run, now=sql.now())


def held_facts(asked: Asked, action: Action) -> dict[str, object]:
    """Return what reviewers see beside the bytes, and what evaluating again needs."""
    body, call = asked.body, call_of(asked.body)
    return {
        **action_facts(action),
        "capability": body.capability,
        "declared_data_classes": sorted(body.data_classes),
        "declared_data_scopes": body.data_scopes,
        "provenance": dict(body.provenance),
        "task": body.task,
        "purpose": body.purpose,
        "estimated_cost_nanousd": body.estimated_cost_nanousd,
        **({} if call is None else {"call": {"tool": call.tool, "server": call.server}}),
    }


def action_facts(action: Action) -> dict[str, object]:
    """Return the extracted facts as JSON."""
    return {
        "destinations": [str(destination) for destination in action.destinations],
        "units": action.units,
        "amount": {"value": str(action.amount.value), "currency": action.amount.currency} if action.amount else None,
        "data_classes": sorted(action.data_classes),
    }
