"""Every write of approvals and grants."""

from approvals.operations.afterwards import mark_override
from approvals.operations.bulk import Read, Voted, approve_many, bulk_limit
from approvals.operations.callbacks import forget_callback, keep_callback
from approvals.operations.closing import delete_queue, rules_naming
from approvals.operations.escalating import escalate, remind
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
from approvals.operations.opening import read_bytes
from approvals.operations.overruling import (
    grant_break_glass,
    overrule,
    read_under_break_glass,
    withdraw_break_glass,
)
from approvals.operations.queues import create_from_template, queue_documents, save_queue
from approvals.operations.requests import (
    Held,
    cancel_request,
    expire_request,
    hold,
    lock_pending,
    revise,
    vote,
)
from approvals.operations.seats import Escalate

__all__ = [
    "Escalate",
    "Held",
    "NewGrant",
    "Read",
    "Voted",
    "approve_many",
    "bulk_limit",
    "cancel_request",
    "create_from_template",
    "delete_queue",
    "escalate",
    "expire_grant",
    "expire_request",
    "forget_callback",
    "grant_break_glass",
    "hold",
    "keep_callback",
    "lock_pending",
    "mark_override",
    "mark_silent",
    "overrule",
    "queue_documents",
    "read_bytes",
    "read_under_break_glass",
    "redeem_grant",
    "remind",
    "report_outcome",
    "revise",
    "revoke_grant",
    "rules_naming",
    "save_queue",
    "settle_unknown",
    "vote",
    "withdraw_break_glass",
    "write_grant",
]
