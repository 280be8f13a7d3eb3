"""States of held actions and of the permissions that come out of them."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices


class ApprovalState(TextChoices):
    """Life of a held action; every end is final."""

    PENDING = "pending", "Pending"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"


class GrantState(TextChoices):
    """Life of a single-use permission."""

    ISSUED = "issued", "Issued"
    REDEEMED = "redeemed", "Redeemed"
    REVOKED = "revoked", "Revoked"
    EXPIRED = "expired", "Expired"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    OUTCOME_UNKNOWN = "outcome_unknown", "Outcome unknown"


class Verdict(TextChoices):
    """What a reviewer says."""

    APPROVE = "approve", "Approve"
    REJECT = "reject", "Reject"


class Tier(TextChoices):
    """How much could go wrong with an action, from little to much; see `approvals.risk`."""

    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"


Table = Mapping[str, frozenset[str]]

APPROVAL: Table = {
    ApprovalState.PENDING: frozenset(
        {
            ApprovalState.APPROVED,
            ApprovalState.REJECTED,
            ApprovalState.EXPIRED,
            ApprovalState.CANCELLED,
        }
    ),
    ApprovalState.APPROVED: frozenset(),
    ApprovalState.REJECTED: frozenset(),
    ApprovalState.EXPIRED: frozenset(),
    ApprovalState.CANCELLED: frozenset(),
}

GRANT: Table = {
    GrantState.ISSUED: frozenset({GrantState.REDEEMED, GrantState.REVOKED, GrantState.EXPIRED}),
    GrantState.REDEEMED: frozenset({GrantState.SUCCEEDED, GrantState.FAILED, GrantState.OUTCOME_UNKNOWN}),
    # Only a person settles what the agent never reported.
    GrantState.OUTCOME_UNKNOWN: frozenset({GrantState.SUCCEEDED, GrantState.FAILED}),
    GrantState.REVOKED: frozenset(),
    GrantState.EXPIRED: frozenset(),
    GrantState.SUCCEEDED: frozenset(),
    GrantState.FAILED: frozenset(),
}
