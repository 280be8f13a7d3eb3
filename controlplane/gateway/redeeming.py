"""Redeeming a grant: everything is looked at again, then it is used up, once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F

from approvals.models import ApprovalRequest, Grant
from approvals.operations import Held, hold, redeem_grant, revoke_grant
from approvals.operations.grants import GRANT_LIFE, HANDED_OVER_LIFE
from approvals.operations.opening import current_revision
from approvals.operations.overruling import overruling_stands
from approvals.quorum import count
from approvals.refusals import (
    AlreadyRedeemed,
    DigestMismatch,
    Expired,
    NotGranted,
    NotNow,
    PolicyChanged,
    ReviewRequired,
)
from approvals.states import ApprovalState, GrantState
from audit import sql
from audit.refusals import Forbidden, Refusal
from audit.transitions import note
from controlplane.gateway import standing as facts
from controlplane.gateway.answers import moment
from controlplane.gateway.approved import Approved, find_decision, is_intact, of_decision, of_request
from controlplane.gateway.asking import Clock, action_facts
from controlplane.gateway.bodies import read_key
from controlplane.gateway.routing import risk_of, routed
from controlplane.gateway.standing import Standing
from controlplane.gateway.verdicts import limited, reserved, settled
from costs.budgets import release
from costs.models import Reservation
from costs.states import ReservationState
from policies import limits, snapshots
from policies.facts import Action, Verdict
from policies.models import Decision
from policies.operations.decisions import keep_obligations, reasons_as_json
from policies.states import Effect
from registry.authentication import Principal
from registry.models import AgentKey
from registry.states import AgentState

# What stops an agent now and may be lifted again: the grant is kept, its life runs on.
_STANDSTILL = frozenset({"agent_paused", "kill_switch", "not_released"})


@dataclass(frozen=True, slots=True)
class Redeemed:
    """Leave to execute exactly these bytes.

    Attributes:
        grant: the grant, used up.
        approved: the action.
        obligations: what whoever executes has to do besides.
        replayed: whether the same key was answered before: somebody may have acted on that answer.
    """

    grant: Grant
    approved: Approved
    obligations: list[dict[str, Any]]
    replayed: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer; ``canonical`` is the text whose SHA-256 gives the digest."""
        return {
            "grant": {
                "id": str(self.grant.id),
                "state": GrantState.REDEEMED.value,
                "redeemed_at": moment(self.grant.redeemed_at) if self.grant.redeemed_at else None,
            },
            "digest": self.approved.digest,
            "canonical": self.approved.canonical.decode(),
            "action": json.loads(self.approved.canonical),
            "obligations": self.obligations,
            "replayed": self.replayed,
        }


@dataclass(frozen=True, slots=True)
class _Case:
    """The facts of one redemption, read under the locks of the agent and the grant."""

    principal: Principal
    key: str
    clock: Clock
    decision: Decision
    standing: Standing
    grant: Grant
    request: ApprovalRequest | None
    approved: Approved


def redeem(
    *, principal: Principal, action_id: UUID, key: str | None, digest: str, clock: Clock = sql.clock
) -> Redeemed:
    """Use a grant up and hand out the bytes to execute.

    Args:
        principal: the executor's key.
        action_id: the decision's id.
        key: the ``Idempotency-Key`` header; the same one gets the same answer again.
        digest: of the bytes that the caller means to execute.
        clock: read once, after the locks.

    Raises:
        Missing, Forbidden: not this agent's.
        NotGranted, AlreadyRedeemed, DigestMismatch, PolicyChanged, ReviewRequired, NotNow: 409.
        Expired: 410.
    """
    redeem_key = read_key(key)
    # Some refusals change something too (a revoked grant, a security entry): these are returned
    # from the transaction, so that it commits, and raised after it.
    with sql.writing():
        answer = _redeem(principal, action_id, redeem_key, digest, clock)
    if isinstance(answer, Refusal):
        raise answer
    return answer


def _redeem(principal: Principal, action_id: UUID, key: str, digest: str, clock: Clock) -> Redeemed | Refusal:
    decision = find_decision(action_id=action_id, principal=principal)
    standing = facts.by_agent(agent_id=decision.agent_id, environment=decision.environment)
    grant = _locked_grant(decision)
    if grant.executor_id != principal.agent_id:
        raise Forbidden("Only the executor named in the grant may redeem it.")
    request = _request_of(grant)
    now = clock()
    if request is not None and not is_intact(request):
        # Not the bytes that people approved, whoever changed them where they lie.
        note(grant, kind="security.payload_mismatch", by=principal, now=now, before=grant.digest, after=digest)
        return DigestMismatch()
    approved = of_request(request) if request else of_decision(decision)
    if digest != grant.digest or approved.digest != grant.digest:
        note(grant, kind="security.payload_mismatch", by=principal, now=now, before=grant.digest, after=digest)
        return DigestMismatch()
    if grant.state not in {GrantState.ISSUED, GrantState.REVOKED, GrantState.EXPIRED}:
        return _again(decision, grant, standing, approved, key)
    if grant.state == GrantState.REVOKED:
        return NotGranted("The grant was revoked.")
    if grant.state == GrantState.EXPIRED or now >= grant.expires_at:
        return Expired("The grant expired.")
    case = _Case(principal, key, clock, decision, standing, grant, request, approved)
    if standing.epoch != grant.agent_epoch:
        return _revoked(case, "the agent was transferred", now)
    if not _acts(_executor(grant, standing)):
        return NotNow("The executing agent is not active.")
    return _evaluate(case)


def _again(decision: Decision, grant: Grant, standing: Standing, approved: Approved, key: str) -> Redeemed | Refusal:
    """Answer a redemption of what was redeemed before: the same key gets the same answer, if it still may act."""
    if not grant.redeem_key or grant.redeem_key != key:
        return AlreadyRedeemed()
    if standing.epoch != grant.agent_epoch:
        return NotGranted("The agent was transferred.")
    if not _acts(standing) or not _acts(_executor(grant, standing)):
        return NotNow("The agent is not active.")
    return Redeemed(grant, approved, decision.obligations, replayed=True)


def _evaluate(case: _Case) -> Redeemed | Refusal:
    """Judge the approved bytes by what is in force now, take what they take, and use the grant."""
    standing, request = case.standing, case.request
    snapshot = snapshots.current(digest=standing.policy_digest, catalogue=standing.catalogue)
    subject = standing.subject()
    action, verdict, now = settled(snapshot, subject, case.approved.declared, clock=case.clock)
    verdict = routed(verdict, action, standing, risk=request.risk if request else "")
    if verdict.effect == Effect.DENY:
        return _denied(case, verdict, now)
    if verdict.effect == Effect.THROTTLE:
        return _not_now(case, verdict, now, extend=True)
    if verdict.effect == Effect.REVIEW and not set(verdict.queues) <= _approving(request):
        return _held_again(case, verdict, action, now)
    if request is not None and not _quorum_holds(request):
        return _revoked(case, "the quorum no longer holds", now)
    # What was allowed to be handed over took its limits and budget when it was allowed, for as long as it may wait.
    taken = _was_allowed(case) and now < case.decision.at + HANDED_OVER_LIFE
    refusal = None if taken else _take(case, verdict, now)
    if refusal is not None:
        return refusal
    redeem_grant(
        grant=case.grant,
        key=case.key,
        by=case.principal,
        now=now,
        details={"policy_revision": standing.policy_revision, "version": standing.version},
    )
    obligations = keep_obligations(decision=case.decision, found=verdict.obligations)
    return Redeemed(case.grant, case.approved, obligations)


def _take(case: _Case, verdict: Verdict, now: datetime) -> Refusal | None:
    """Consume limits and budget for an approved action, or say why not.

    What was allowed long ago, and waited since for opening hours or for people, counts in the windows of now: what it
    took then is given back first. Its reservation stays while it is held; once that lapsed, others may have its money.
    """
    set_aside = Reservation.objects.filter(decision_id=case.decision.pk)
    states = set(set_aside.values_list("state", flat=True)) if _was_allowed(case) else set()
    if states - {ReservationState.HELD}:
        return _revoked(case, "what was set aside for it was given back", now)
    if _was_allowed(case):
        limits.withdraw(verdict.limits, decision_id=case.decision.pk)
    verdict = limited(verdict, now=now)
    if verdict.effect == Effect.THROTTLE:
        return _not_now(case, verdict, now, extend=True)
    if verdict.effect == Effect.DENY:
        return _denied(case, verdict, now)
    demands = verdict.limits
    if not states:
        verdict = reserved(
            verdict,
            standing=case.standing,
            task=case.approved.task,
            decision_id=case.decision.pk,
            estimate_nanousd=case.approved.estimate_nanousd,
            keep=True,
            now=now,
        )
    if verdict.effect in {Effect.DENY, Effect.THROTTLE}:
        return _not_now(case, verdict, now, extend=False)
    limits.admit(demands, decision_id=case.decision.pk, now=now)
    return None


def _locked_grant(decision: Decision) -> Grant:
    """Take the decision's newest grant for the rest of the transaction.

    Raises:
        NotGranted, Expired: there is none.
    """
    Grant.objects.filter(decision=decision).update(state=F("state"))
    grant = Grant.objects.select_related("agent").filter(decision=decision).order_by("-id").first()
    if grant is not None:
        return grant
    request = ApprovalRequest.objects.filter(decision=decision).order_by("-id").first()
    if request is None:
        raise NotGranted(f"The decision was {decision.effect}.")
    if request.state == ApprovalState.EXPIRED:
        raise Expired("The request expired undecided.")
    raise NotGranted(f"The request is {request.state}.")


def _request_of(grant: Grant) -> ApprovalRequest | None:
    if grant.approval_id is None:
        return None
    return ApprovalRequest.objects.select_related("agent", "decision").get(pk=grant.approval_id)


def _executor(grant: Grant, standing: Standing) -> Standing:
    """Return the standing of whoever executes: the asker itself, or another agent."""
    if grant.executor_id == standing.agent_id:
        return standing
    return facts.by_agent(agent_id=grant.executor_id, environment=standing.environment)


def _was_allowed(case: _Case) -> bool:
    """Say whether it was allowed at once, for another agent to execute; it may have been held since."""
    return case.decision.effect == Effect.ALLOW


def _acts(standing: Standing) -> bool:
    return standing.state == AgentState.ACTIVE and standing.kill is None


def _approving(request: ApprovalRequest | None) -> set[str]:
    return set(request.queues.values_list("slug", flat=True)) if request else set()


def _quorum_holds(request: ApprovalRequest) -> bool:
    if request.overridden_by_id is not None:
        return overruling_stands(request)
    author_id = current_revision(request).author_id
    queues = list(request.queues.all())
    return all(item.complete for item in count(request, queues=queues, author_id=author_id))


def _words(verdict: Verdict) -> str:
    return " ".join(reason.text for reason in verdict.reasons)


def _denied(case: _Case, verdict: Verdict, now: datetime) -> Refusal:
    if {reason.code for reason in verdict.reasons} & _STANDSTILL:
        return NotNow(_words(verdict))
    return _revoked(case, _words(verdict), now)


def _revoked(case: _Case, reason: str, now: datetime) -> Refusal:
    revoke_grant(grant=case.grant, reason=reason, by=case.principal, now=now)
    if _was_allowed(case):
        # What was handed over reserved its cost when it was allowed; nobody will report an outcome.
        release(decision_id=case.decision.pk, by=case.principal, now=now)
    return PolicyChanged(f"The grant is revoked: {reason}")


def _not_now(case: _Case, verdict: Verdict, now: datetime, *, extend: bool) -> Refusal:
    """Keep the grant; where time alone lifts the obstacle, its life runs from then."""
    if verdict.retry_at is None:
        return NotNow(_words(verdict))
    grant = case.grant
    until = verdict.retry_at + (GRANT_LIFE if grant.approval_id else HANDED_OVER_LIFE)
    if extend and until > grant.expires_at and not case.approved.is_call:
        Grant.objects.filter(pk=grant.pk, state=GrantState.ISSUED).update(expires_at=until)
        note(grant, kind="grant.extended", by=case.principal, now=now, details={"until": moment(until)})
    seconds = max(1, int((verdict.retry_at - now).total_seconds()) + 1)
    refusal = NotNow(_words(verdict), headers={"Retry-After": str(seconds)})
    refusal.retry_at = verdict.retry_at
    return refusal


def _held_again(case: _Case, verdict: Verdict, action: Action | None, now: datetime) -> Refusal:
    """Open a new request: the policy of now wants people who were not asked."""
    if action is None:
        return _revoked(case, "the action can no longer be read", now)
    if case.approved.is_call:
        # Approved is final there: the agent asks anew, and is held then.
        return _revoked(case, "another review is required", now)
    revoke_grant(grant=case.grant, reason="another review is required", by=case.principal, now=now)
    standing, approved = case.standing, case.approved
    again = hold(
        held=Held(
            decision_id=case.decision.pk,
            agent_id=standing.agent_id,
            agent_epoch=standing.epoch,
            team=standing.team,
            issued_by_id=case.request.asked_by_key_of_id if case.request else _issuer(case.decision),
            queues=verdict.queues,
            body=approved.canonical,
            digest=approved.digest,
            facts={**_declared_facts(approved), **action_facts(action)},
            reasons=reasons_as_json(verdict.reasons),
            risk=risk_of(action, agent_id=standing.agent_id).tier,
            author_id=current_revision(case.request).author_id if case.request else None,
        ),
        by=case.principal,
        now=now,
    )
    return ReviewRequired(f"Approval {again.pk} was opened.")


def _declared_facts(approved: Approved) -> dict[str, Any]:
    declared = approved.declared
    return {
        "capability": declared.capability,
        "declared_data_classes": sorted(declared.data_classes),
        "declared_data_scopes": sorted(declared.data_scopes) if declared.data_scopes is not None else None,
        "provenance": dict(declared.provenance),
        "task": approved.task,
        "purpose": approved.facts.get("purpose", ""),
        "estimated_cost_nanousd": approved.estimate_nanousd,
    }


def _issuer(decision: Decision) -> int:
    return AgentKey.objects.values_list("issued_by_id", flat=True).get(public_id=decision.key_id)
