"""Held actions: held, voted on, edited, cancelled, expired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from approvals.amounts import amount_to_confirm, require_amount
from approvals.models import ActionRevision, ApprovalRequest, Queue, Vote
from approvals.operations.grants import GRANT_LIFE, NewGrant, write_grant
from approvals.operations.opening import current_revision, first_opened, require_opened
from approvals.permissions import may_cancel, require_vote
from approvals.quorum import count
from approvals.refusals import AlreadyDecided, DigestMismatch, Expired
from approvals.states import ApprovalState, GrantState, Verdict
from audit import sql
from audit.actors import Acting
from audit.refusals import Forbidden, PreconditionFailed
from audit.transitions import move, note
from registry.models import User

MOST_PENDING = 50
# When three quarters of its time are over, whoever may still decide a request is reminded, once.
REMIND_AT = 0.75


class UnknownQueue(LookupError):
    """A policy names a queue that does not exist; the ask fails closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An action about to be held.

    Attributes:
        decision_id: the decision that holds it.
        agent_id, agent_epoch, team: the asking agent, then.
        issued_by_id: who issued the asking key.
        queues: slugs; every one must approve.
        body: canonical action bytes.
        digest: of the body.
        facts: what was extracted and declared, for people and for evaluating again.
        reasons: why it is held, as JSON.
        risk: of `approvals.states.Tier`.
        author_id: who wrote these bytes, where a person edited them before; None for the agent.
        within_seconds: how long the asker waits for people; the queues may allow less.
    """

    decision_id: UUID
    agent_id: int
    agent_epoch: int
    team: str
    issued_by_id: int
    queues: Sequence[str]
    body: bytes
    digest: str
    facts: dict[str, Any]
    reasons: list[dict[str, Any]]
    risk: str
    author_id: int | None = None
    within_seconds: int | None = None


def hold(*, held: Held, by: Acting, now: datetime) -> ApprovalRequest:
    """Put an action before its queues, in the gateway's transaction.

    Raises:
        UnknownQueue: a queue does not exist.
    """
    queues = list(Queue.objects.filter(slug__in=held.queues))
    missing = set(held.queues) - {queue.slug for queue in queues}
    if missing or not queues:
        raise UnknownQueue(", ".join(sorted(missing)))
    longest = min(queue.ttl_seconds for queue in queues)
    life = timedelta(seconds=longest if held.within_seconds is None else min(longest, held.within_seconds))
    request = ApprovalRequest.objects.create(
        decision_id=held.decision_id,
        agent_id=held.agent_id,
        agent_epoch=held.agent_epoch,
        team=held.team,
        asked_by_key_of_id=held.issued_by_id,
        created_at=now,
        expires_at=now + life,
        remind_at=now + life * REMIND_AT,
        risk=held.risk,
    )
    request.queues.set(queues)
    ActionRevision.objects.create(
        request=request,
        number=1,
        body=held.body,
        digest=held.digest,
        facts=held.facts,
        reasons=held.reasons,
        author_id=held.author_id,
        at=now,
    )
    note(
        request,
        kind="approval.requested",
        by=by,
        now=now,
        outcome=ApprovalState.PENDING,
        after=held.digest,
        details={"decision": str(held.decision_id), "queues": sorted(held.queues)},
    )
    return request


def lock_pending(*, request_id: UUID, revision: int, now: datetime) -> ApprovalRequest:
    """Take a pending request for the rest of the transaction and read it afresh.

    The UPDATE that changes nothing is the lock: it works on both engines, and two votes that
    would complete one quorum together are counted one after the other.

    Args:
        request_id: the request.
        revision: the revision that the caller has seen (``If-Match``).
        now: aware UTC.

    Raises:
        PreconditionFailed: another revision is current.
        AlreadyDecided: it is closed.
        Expired: its time is over.
    """
    ApprovalRequest.objects.filter(pk=request_id).update(revision=F("revision"))
    request = ApprovalRequest.objects.select_related("agent__team", "decision").get(pk=request_id)
    # Waiting for the row may have taken longer than there was time left.
    now = max(now, sql.clock())
    if request.state != ApprovalState.PENDING:
        if request.state == ApprovalState.EXPIRED:
            raise Expired("This request expired.")
        raise AlreadyDecided(f"Already {request.state}.")
    if now >= request.expires_at:
        raise Expired("This request expired.")
    if request.agent.epoch != request.agent_epoch:
        raise AlreadyDecided("The agent was transferred after it asked; the request is void.")
    if request.revision != revision:
        raise PreconditionFailed(f"Revision {request.revision} is current; you read revision {revision}.")
    return request


@transaction.atomic
def vote(
    *,
    request_id: UUID,
    revision: int,
    verdict: Verdict,
    digest: str,
    comment: str,
    by: User,
    now: datetime,
    confirmed_amount: str = "",
) -> ApprovalRequest:
    """Cast or replace a vote; one reject closes, a complete quorum grants.

    Args:
        request_id: the held action.
        revision: the revision read (``If-Match``).
        verdict: approve or reject.
        digest: digest of the bytes read.
        comment: the person's reason.
        by: the reviewer; tokens never vote, so interfaces pass people from sessions only.
        now: aware UTC.
        confirmed_amount: the amount as the person typed it; an approval of more than a queue's
            ``confirm_amount_over`` needs it.

    Returns:
        The request as it stands after the vote.

    Raises:
        PreconditionFailed, AlreadyDecided, Expired: see `lock_pending`.
        DigestMismatch: other bytes than the current ones.
        NotAReviewer: not this person's to cast.
        NotOpened: an approval of bytes that this person never opened with `read_bytes`.
        AmountNotConfirmed: the amount was not typed, or another one was.
    """
    request = lock_pending(request_id=request_id, revision=revision, now=now)
    current = current_revision(request)
    queues = list(request.queues.all())
    require_vote(request, by, author_id=current.author_id, queues=queues)
    if digest != current.digest:
        raise DigestMismatch
    opened_at = first_opened(request, by, digest)
    if verdict == Verdict.APPROVE:
        require_opened(opened_at)
        require_amount(amount_to_confirm(queues, current.facts), confirmed_amount)
    earlier = Vote.objects.filter(request=request, revision=revision, voter=by).first()
    Vote.objects.update_or_create(
        request=request,
        revision=revision,
        voter=by,
        defaults={
            "verdict": verdict,
            "digest": digest,
            "comment": comment,
            "at": now,
            "took_ms": _milliseconds(opened_at, now=now),
        },
    )
    note(
        request,
        kind="approval.vote_replaced" if earlier else "approval.voted",
        by=by,
        now=now,
        outcome=verdict,
        after=digest,
        details={"revision": revision, "replaced": earlier.verdict if earlier else None},
    )
    if verdict == Verdict.REJECT:
        move(request, ApprovalState.REJECTED, by=by, now=now, fields={"closed_at": now})
    elif all(c.complete for c in count(request, queues=queues, author_id=current.author_id)):
        move(
            request,
            ApprovalState.APPROVED,
            by=by,
            now=now,
            fields={"closed_at": now},
            details={"revision": revision, "digest": digest},
        )
        grant_approved(request=request, digest=digest, by=by, now=now)
    return request


def _milliseconds(since: datetime | None, *, now: datetime) -> int | None:
    return None if since is None else max(0, int((now - since).total_seconds() * 1000))


def grant_approved(*, request: ApprovalRequest, digest: str, by: Acting, now: datetime) -> None:
    """Issue the grant that comes out of an approval, in the caller's transaction.

    Args:
        request: approved just now.
        digest: of the approved bytes.
        by: whose word completed it.
        now: aware UTC.
    """
    write_grant(
        new=NewGrant(
            decision_id=request.decision_id,
            approval_id=request.pk,
            agent_id=request.agent_id,
            agent=request.agent.slug,
            executor_id=request.decision.executor_id or request.agent_id,
            agent_epoch=request.agent_epoch,
            team=request.team,
            state=GrantState.ISSUED,
            digest=digest,
            life=GRANT_LIFE,
        ),
        by=by,
        now=now,
    )


@transaction.atomic
def revise(
    *,
    request: ApprovalRequest,
    body: bytes,
    digest: str,
    facts: dict[str, Any],
    reasons: list[dict[str, Any]],
    queues: Sequence[str],
    risk: str,
    by: User,
    now: datetime,
) -> ApprovalRequest:
    """Put an edited action in the place of the current one; votes on the old bytes are void.

    The gateway has locked the request, checked the editor's right and evaluated the edit.

    Args:
        request: locked by `lock_pending`.
        body: canonical action bytes.
        digest: of the body.
        facts: what was extracted and declared.
        reasons: why the edit is held.
        queues: slugs that the policy now asks for; added, never taken away.
        risk: of `approvals.states.Tier`.
        by: the editor.
        now: aware UTC.

    Raises:
        UnknownQueue: a queue does not exist.
    """
    added = list(Queue.objects.filter(slug__in=queues))
    missing = set(queues) - {queue.slug for queue in added}
    if missing:
        raise UnknownQueue(", ".join(sorted(missing)))
    before = current_revision(request)
    number = request.revision + 1
    ActionRevision.objects.create(
        request=request, number=number, body=body, digest=digest, facts=facts, reasons=reasons,
        author=by, at=now,
    )  # fmt: skip
    ApprovalRequest.objects.filter(pk=request.pk).update(revision=number, risk=risk)
    request.revision, request.risk = number, risk
    request.queues.add(*added)
    note(
        request,
        kind="approval.edited",
        by=by,
        now=now,
        before=before.digest,
        after=digest,
        details={"revision": number, "queues": sorted(queue.slug for queue in added)},
    )
    return request


@transaction.atomic
def cancel_request(*, request: ApprovalRequest, by: Acting, now: datetime, reason: str) -> None:
    """Close a pending request without a decision.

    Raises:
        Forbidden: a person who does not operate the team.
        IllegalTransition, Stale: it is closed.
    """
    if isinstance(by, User) and not may_cancel(request, by):
        raise Forbidden("Operators of the team and administrators cancel a request.")
    move(
        request,
        ApprovalState.CANCELLED,
        by=by,
        now=now,
        fields={"closed_at": now},
        details={"reason": reason},
    )


@transaction.atomic
def expire_request(*, request: ApprovalRequest, by: Acting, now: datetime) -> None:
    """Write down that a request's time is over; safety never waits for this.

    Raises:
        IllegalTransition, Stale: it is closed.
    """
    move(request, ApprovalState.EXPIRED, by=by, now=now, fields={"closed_at": now})
