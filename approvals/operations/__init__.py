"""Every write of approvals and grants."""

from approvals.operations.grants import (
    NewGrant,
    expire_grant,
    mark_silent,
    redeem_grant,
    report_outcome,
    revoke_grant,
    settle_unknown,
    write_grant,
)
from approvals.operations.queues import queue_documents, save_queue
from approvals.operations.requests import (
    Held,
    cancel_request,
    expire_request,
    hold,
    lock_pending,
    read_bytes,
    revise,
    vote,
)

__all__ = [
    "Held",
    "NewGrant",
    "cancel_request",
    "expire_grant",
    "expire_request",
    "hold",
    "lock_pending",
    "mark_silent",
    "queue_documents",
    "read_bytes",
    "redeem_grant",
    "report_outcome",
    "revise",
    "revoke_grant",
    "save_queue",
    "settle_unknown",
    "vote",
    "write_grant",
]
