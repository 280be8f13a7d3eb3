"""The tables of approvals."""

from approvals.models.afterwards import KnownDestination, Override
from approvals.models.callbacks import Callback, CallbackQuerySet
from approvals.models.grants import Grant, GrantQuerySet
from approvals.models.queues import Queue, QueueQuerySet
from approvals.models.requests import ActionRevision, ApprovalQuerySet, ApprovalRequest, Escalation, Vote

__all__ = [
    "ActionRevision",
    "ApprovalQuerySet",
    "ApprovalRequest",
    "Callback",
    "CallbackQuerySet",
    "Escalation",
    "Grant",
    "GrantQuerySet",
    "KnownDestination",
    "Override",
    "Queue",
    "QueueQuerySet",
    "Vote",
]
