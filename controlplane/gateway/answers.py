"""The answer to an ask, fresh or replayed, as the wire carries it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from approvals.models import ApprovalRequest, Grant
from approvals.operations.grants import Issued
from policies.facts import Verdict
from policies.models import Decision
from policies.operations.decisions import reasons_as_json
from policies.states import Effect

# How long a client that does not long-poll should wait before it looks again.
REVIEW_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A decision as it is told.

    Attributes:
        grant: ``{id, state, executor, expires_at}``.
        approval: ``{id, url, state, expires_at}``.
        retry_at: aware UTC.
    """

    id: UUID
    effect: str
    reasons: list[dict[str, Any]]
    policy_revision: int
    digest: str
    grant: dict[str, Any] | None = None
    approval: dict[str, Any] | None = None
    retry_at: datetime | None = None
    obligations: list[dict[str, Any]] = field(default_factory=list)
    replayed: bool = False

    @property
    def status(self) -> int:
        """HTTP status: 202 for what waits for people, 200 for everything else."""
        return 202 if self.effect == Effect.REVIEW else 200

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer; what does not apply is left out."""
        body: dict[str, Any] = {
            "id": str(self.id),
            "effect": self.effect,
            "reasons": self.reasons,
            "policy_revision": self.policy_revision,
            "digest": self.digest,
            "obligations": self.obligations,
            "replayed": self.replayed,
        }
        if self.grant is not None:
            body["grant"] = self.grant
        if self.approval is not None:
            body["approval"] = self.approval
        if self.retry_at is not None:
            body["retry_at"] = moment(self.retry_at)
        return body


def moment(value: datetime) -> str:
    """Write a time as RFC 3339 in UTC."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def answer_of(
    decision_id: UUID,
    verdict: Verdict,
    digest: str,
    *,
    revision: int,
    grant: Issued | None,
    executor: str,
    approval: ApprovalRequest | None,
) -> Answer:
    """Tell a decision that was just written."""
    return Answer(
        id=decision_id,
        effect=str(verdict.effect),
        reasons=reasons_as_json(verdict.reasons),
        policy_revision=revision,
        digest=digest,
        grant=_grant(grant.id, grant.state, executor, grant.expires_at) if grant else None,
        approval=_approval(approval) if approval else None,
        retry_at=verdict.retry_at,
        obligations=[dict(item) for item in verdict.obligations],
    )


def replay(decision: Decision) -> Answer:
    """Tell a recorded decision again, with the present state of what came out of it."""
    return told(decision, replayed=True)


def told(decision: Decision, *, replayed: bool = False) -> Answer:
    """Tell a recorded decision."""
    grant = Grant.objects.select_related("executor").filter(decision=decision).order_by("-id").first()
    approval = ApprovalRequest.objects.filter(decision=decision).order_by("-id").first()
    return Answer(
        id=decision.id,
        effect=decision.effect,
        reasons=decision.reasons,
        policy_revision=decision.policy_revision,
        digest=decision.digest if grant is None else grant.digest,
        grant=_grant(grant.id, grant.state, grant.executor.slug, grant.expires_at) if grant else None,
        approval=_approval(approval) if approval else None,
        retry_at=decision.retry_at,
        obligations=decision.obligations,
        replayed=replayed,
    )


def _grant(grant_id: UUID, state: str, executor: str, expires_at: datetime) -> dict[str, Any]:
    return {"id": str(grant_id), "state": state, "executor": executor, "expires_at": moment(expires_at)}


def _approval(request: ApprovalRequest) -> dict[str, Any]:
    return {
        "id": str(request.id),
        "state": request.state,
        "url": settings.PUBLIC_URL + reverse("admin:approvals_approvalrequest_change", args=[request.id]),
        "expires_at": moment(request.expires_at),
    }
