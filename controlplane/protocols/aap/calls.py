"""The protocol's calls, each translated onto one of the gateway's."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from approvals.operations import lock_pending
from approvals.refusals import AlreadyDecided, Expired, NotGranted, NotNow, PolicyChanged
from audit import sql
from audit.refusals import KeyReused, Missing
from controlplane import atrest, gateway
from controlplane.gateway.bodies import CallBody
from controlplane.protocols.aap.errors import (
    AlreadyTerminal,
    ApprovalExpired,
    Later,
    NotApproved,
    NotConsumed,
)
from controlplane.protocols.aap.exact import same
from controlplane.protocols.aap.reading import Submission, question_of, read_submission
from controlplane.protocols.aap.requests import Seen, find_request, place_of_words, stored_submission
from controlplane.protocols.aap.tools import verb_of
from policies.models import Decision
from registry.authentication import Principal


def create(*, principal: Principal, key: str, raw: bytes) -> tuple[Seen, bool]:
    """Ask for a tool call.

    Args:
        principal: the agent's key.
        key: the ``Idempotency-Key`` header.
        raw: the body's bytes.

    Returns:
        The request, and whether it is new.

    Raises:
        Malformed, Invalid, TooLarge: it is not a submission.
        KeyReused: the key belongs to another one.
    """
    submission = read_submission(raw)
    seal = partial(atrest.seal, place=place_of_words(agent_id=principal.agent_id, key=key))
    question = question_of(submission, verb=verb_of(submission.tool), seal=seal)
    try:
        answer = gateway.ask(principal=principal, key=key, raw=question, form=CallBody)
    except KeyReused:
        # The gateway compares bytes; here blanks, key order, the catalogue of now and a seal, which never comes out
        # twice the same, make no other submission.
        earlier = _asked_with(key, principal)
        if earlier is None or not _is_same(earlier, submission):
            raise
        return find_request(principal=principal, request_id=earlier.pk), False
    return find_request(principal=principal, request_id=answer.id), not answer.replayed


def _asked_with(key: str, principal: Principal) -> Decision | None:
    asked = Decision.objects.filter(agent=principal.agent_id, idempotency_key=key)
    return asked.filter(environment=principal.environment).first()


def _is_same(decision: Decision, submission: Submission) -> bool:
    try:
        return same(stored_submission(decision).values, submission.values)
    except Missing:
        return False


def consume(*, principal: Principal, request_id: UUID, key: str) -> Seen:
    """Take leave to start an approved call: once for each request, the same key gets the same answer.

    Raises:
        Missing: no request of this agent.
        NotApproved, ApprovalExpired, AlreadyRedeemed: there is no leave to take.
        Later: time will lift what is in the way.
    """
    seen = find_request(principal=principal, request_id=request_id)
    if seen.resolved is None or seen.grant is None or seen.resolved.status != "approved":
        raise NotApproved(f"The request is {seen.resolved.status if seen.resolved else 'pending'}.")
    try:
        gateway.redeem(principal=principal, action_id=request_id, key=key, digest=seen.grant.digest)
    except (Expired, NotGranted, PolicyChanged) as error:
        raise ApprovalExpired(error.detail) from error
    except NotNow as error:
        if error.retry_at is None:
            raise NotApproved(error.detail) from error
        raise Later(error.detail, headers=error.headers) from error
    return find_request(principal=principal, request_id=request_id)


def report(*, principal: Principal, request_id: UUID, succeeded: bool, note: str) -> Seen:
    """Report what came of a call, once; the same report again changes nothing.

    Raises:
        Missing: no request of this agent.
        NotConsumed: the call was never started.
        OutcomeConflict: another outcome was reported.
    """
    if not find_request(principal=principal, request_id=request_id).is_consumed:
        raise NotConsumed
    gateway.outcome(principal=principal, action_id=request_id, succeeded=succeeded, note=note, result_digest="")
    return find_request(principal=principal, request_id=request_id)


def cancel(*, principal: Principal, request_id: UUID) -> Seen:
    """Withdraw a pending request; one that was withdrawn before stays as it is.

    Raises:
        Missing: no request of this agent.
        AlreadyTerminal: it was approved, denied or expired first.
    """
    with sql.writing():
        seen = find_request(principal=principal, request_id=request_id)
        if seen.resolved is not None or seen.approval is None:
            if seen.resolved is not None and seen.resolved.status == "cancelled":
                return seen
            raise AlreadyTerminal
        try:
            # A vote may complete at this moment: what it approved must not be withdrawn as if it were pending.
            lock_pending(request_id=seen.approval.pk, revision=seen.approval.revision, now=sql.now())
        except (AlreadyDecided, Expired) as error:
            raise AlreadyTerminal(error.detail) from error
        gateway.cancel(principal=principal, action_id=request_id)
        return find_request(principal=principal, request_id=request_id)
