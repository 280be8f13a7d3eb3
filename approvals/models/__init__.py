"""The tables of approvals."""

from approvals.models.afterwards import KnownDestination, Override
from approvals.models.grants import Grant, GrantQuerySet
from approvals.models.queues import Queue, QueueQuerySet
from approvals.models.requests import ActionRevision, ApprovalQuerySet, ApprovalRequest, Vote

__all__ = [
    "ActionRevision",
    "ApprovalQuerySet",
    "ApprovalRequest",
    "Grant",
    "GrantQuerySet",
    "KnownDestination",
    "Override",
    "Queue",
    "QueueQuerySet",
    "Vote",
]
