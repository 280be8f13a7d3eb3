"""The expected failures of approvals and grants."""

from __future__ import annotations

from datetime import datetime

from audit.refusals import Conflict, Forbidden, Gone, Invalid


class NotAReviewer(Forbidden):
    """The vote is not this person's to cast."""

    code, title = "not_a_reviewer", "This vote is not yours to cast"


class EditsClosed(Forbidden):
    """One of the queues admits no edits."""

    code, title = "edits_closed", "This queue does not admit edits"


class AlreadyDecided(Conflict):
    """The request is closed."""

    code, title = "already_decided", "Already decided"


class DigestMismatch(Conflict):
    """The vote or the redemption names other bytes than the current ones."""

    code, title = "payload_mismatch", "The digest is not that of the present bytes"


class AmountNotConfirmed(Invalid):
    """The amount is so large that it is typed, and it was not."""

    code, title = "amount_not_confirmed", "The amount is not confirmed"


class DestinationNotConfirmed(Invalid):
    """Whoever breaks the glass types where the action goes, and typed something else."""

    code, title = "destination_not_confirmed", "The destination is not confirmed"


class NotOpened(Conflict):
    """Whoever approves, in person or under break-glass, opens these very bytes first."""

    code, title = "not_opened", "Open the bytes first"


class TooManyAtOnce(Invalid):
    """More than one step may approve: too many, of several kinds, or with amounts that are typed."""

    code, title = "too_many_at_once", "These cannot be approved in one step"


class NotClosed(Conflict):
    """People are still deciding it."""

    code, title = "not_closed", "It is not decided yet"


class AlreadyRedeemed(Conflict):
    """The grant was used, under another idempotency key."""

    code, title = "already_redeemed", "The grant was used before"


class NotGranted(Conflict):
    """Nothing can be redeemed: still pending, rejected, revoked or cancelled."""

    code, title = "not_granted", "There is no grant to redeem"


class PolicyChanged(Conflict):
    """The policy of now forbids what was granted; the grant is revoked."""

    code, title = "policy_changed", "The policy of now forbids it"


class ReviewRequired(Conflict):
    """The policy of now asks for a review that nobody gave; a new request was opened."""

    code, title = "review_required", "The policy of now asks for another review"


class NotNow(Conflict):
    """Closed hours, a spent limit or budget, a pause: the grant is kept.

    Attributes:
        retry_at: when it may work, aware UTC; None where nobody can say.
    """

    code, title = "not_now", "Not now; the grant is kept"
    retry_at: datetime | None = None


class OutcomeConflict(Conflict):
    """Another outcome was reported before, or nothing was redeemed."""

    code, title = "outcome_conflict", "The outcome cannot be reported"


class Expired(Gone):
    """The approval's or grant's time is over."""

    code, title = "expired", "Expired"
