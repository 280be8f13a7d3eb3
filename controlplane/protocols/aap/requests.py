"""An approval request as the protocol tells it: a reading of the decision, its approval and its grant.

Nothing is kept for it. Its states follow from ours, and the final ones are final:

=========== =====================================================================
pending     the decision is a review, and its approval is pending and in time
approved    allowed at once, or by people; what becomes of the grant later does not change it
denied      denied or throttled at once, or rejected by people
expired     nobody decided in time
cancelled   withdrawn by the agent, or closed without a decision
=========== =====================================================================
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from approvals.models import ApprovalRequest, Grant, Vote
from approvals.states import ApprovalState, GrantState, Verdict
from audit import sql
from audit.refusals import Missing
from controlplane import atrest
from controlplane.gateway.answers import moment
from controlplane.gateway.approved import find_decision
from controlplane.protocols.aap.reading import Submission, read_kept
from policies.models import Decision, Payload
from policies.states import Effect
from registry.authentication import Principal
from registry.tools import UNMAPPED

_USED = frozenset({GrantState.REDEEMED, GrantState.SUCCEEDED, GrantState.FAILED, GrantState.OUTCOME_UNKNOWN})
_REPORTED = frozenset({GrantState.SUCCEEDED, GrantState.FAILED})


@dataclass(frozen=True, slots=True)
class Resolved:
    """A final answer.

    Attributes:
        status: ``approved``, ``denied``, ``expired`` or ``cancelled``.
        decided_at: aware UTC.
        note: why, for the agent; empty where there is nothing to say.
        expires_at: when leave to start the call ends, of an approval only.
    """

    status: str
    decided_at: datetime
    note: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A request at a moment.

    Attributes:
        deadline_at: until when people may decide.
        resolved: None while it is pending.
        approval: what people decide on; None where nobody was asked.
        grant: None where there is none, or none yet.
    """

    id: UUID
    submission: Submission
    created_at: datetime
    deadline_at: datetime
    resolved: Resolved | None
    approval: ApprovalRequest | None
    grant: Grant | None

    @property
    def is_consumed(self) -> bool:
        """Whether the call was given leave to start."""
        return self.grant is not None and self.grant.state in _USED

    def as_text(self) -> str:
        """Write it as JSON; what was submitted stands there in its own text, number for number."""
        told: dict[str, Any] = {
            "id": str(self.id),
            "status": self.resolved.status if self.resolved else "pending",
            "created_at": moment(self.created_at),
            "deadline_at": moment(self.deadline_at),
        }
        if self.resolved is not None:
            told["decision"] = _decision(self.resolved)
        if self.grant is not None and self.is_consumed and self.grant.redeemed_at is not None:
            told["consumption"] = _consumption(self.grant, self.grant.redeemed_at)
        return f"{{{self.submission.inside},{json.dumps(told)[1:]}"


def _decision(resolved: Resolved) -> dict[str, str]:
    told = {"status": resolved.status, "decided_at": moment(resolved.decided_at)}
    if resolved.note:
        told["note"] = resolved.note
    if resolved.expires_at is not None:
        told["expires_at"] = moment(resolved.expires_at)
    return told


def _consumption(grant: Grant, consumed_at: datetime) -> dict[str, Any]:
    told: dict[str, Any] = {"consumed_at": moment(consumed_at)}
    if grant.state in _REPORTED and grant.closed_at is not None:
        note = {"note": grant.outcome_note} if grant.outcome_note else {}
        told["outcome"] = {"status": str(grant.state), **note, "reported_at": moment(grant.closed_at)}
    return told


def find_request(*, principal: Principal, request_id: UUID) -> Seen:
    """Read a request of the key's agent in the key's environment.

    Raises:
        Missing: unknown, another agent's, or asked in another way than by this protocol.
    """
    decision = find_decision(action_id=request_id, principal=principal)
    if decision.agent_id != principal.agent_id:
        raise Missing
    return seen_at(decision, now=sql.now())


def stored_submission(decision: Decision) -> Submission:
    """Return what was submitted.

    Raises:
        Missing: it was erased, or the action was asked in another way.
    """
    payload = Payload.objects.filter(pk=decision.pk).first()
    body = json.loads(bytes(payload.body)) if payload else {}
    if body.get("submission") is None:
        raise Missing
    submission = read_kept(body["submission"].encode())
    if body.get("withheld") is None:
        return submission
    place = place_of_words(agent_id=decision.agent_id, key=decision.idempotency_key)
    try:
        return submission.saying(atrest.open_sealed(body["withheld"], place=place))
    except atrest.Unreadable:
        # The key that sealed it is gone, and so is the secret; a client that compares runs nothing.
        return submission


def place_of_words(*, agent_id: int, key: str) -> str:
    """Say where the words of an agent stand that it asked with under a key, for `controlplane.atrest`."""
    return f"policies_payload/{agent_id}/{key}/withheld"


def seen_at(decision: Decision, *, now: datetime) -> Seen:
    """Read what a decision has come to.

    Args:
        decision: of a tool call.
        now: aware UTC.

    Raises:
        Missing: what was submitted was erased.
    """
    submission = stored_submission(decision)
    approval = ApprovalRequest.objects.filter(decision=decision).order_by("id").first()
    grant = Grant.objects.filter(decision=decision).order_by("id").first()
    return Seen(
        id=decision.pk,
        submission=submission,
        created_at=decision.at,
        deadline_at=approval.expires_at if approval else decision.at + timedelta(seconds=submission.within_seconds),
        resolved=_by_people(approval, grant, now) if approval else _at_once(decision, grant),
        approval=approval,
        grant=grant,
    )


def _at_once(decision: Decision, grant: Grant | None) -> Resolved:
    if decision.effect == Effect.ALLOW and grant is not None:
        return Resolved("approved", decision.at, expires_at=grant.expires_at)
    said = [reason["text"] for reason in decision.reasons]
    if decision.verb == UNMAPPED:
        said.insert(0, "No verb of the catalogue stands for this tool.")
    if decision.retry_at is not None:
        said.append(f"Ask again after {moment(decision.retry_at)}.")
    return Resolved("denied", decision.at, note=" ".join(said))


def _by_people(approval: ApprovalRequest, grant: Grant | None, now: datetime) -> Resolved | None:
    state, closed_at = approval.state, approval.closed_at
    if state == ApprovalState.APPROVED and grant is not None and closed_at is not None:
        return Resolved("approved", closed_at, expires_at=grant.expires_at)
    if state == ApprovalState.REJECTED and closed_at is not None:
        return Resolved("denied", closed_at, note=_why(approval))
    if state == ApprovalState.CANCELLED and closed_at is not None:
        return Resolved("cancelled", closed_at)
    # The deadline decides, not whoever comes by to write it down.
    if state == ApprovalState.EXPIRED or now >= approval.expires_at:
        return Resolved("expired", approval.expires_at)
    return None


def _why(approval: ApprovalRequest) -> str:
    rejections = Vote.objects.filter(request=approval, revision=approval.revision, verdict=Verdict.REJECT)
    return rejections.order_by("-at").values_list("comment", flat=True).first() or ""
