"""Money that is set aside for actions that nobody may execute any more.

An action that is handed over reserves its cost when it is allowed. Where its grant is voided or
runs out unused, nobody will report an outcome that gives it back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Exists, OuterRef

from approvals.models import ApprovalRequest, Grant
from approvals.states import GrantState
from audit.actors import Acting
from costs.budgets import release
from costs.models import Reservation

_UNUSED: Final = (GrantState.REVOKED, GrantState.EXPIRED)


def give_back_unused(*, by: Acting, now: datetime, limit: int = 500) -> int:
    """Give back what is set aside for actions whose grants are all voided or ran out, and that no request waits for.

    No safety depends on when this runs: until then the money stays set aside.

    Args:
        by: the sweeper.
        now: aware UTC.
        limit: how many budgets' reservations at most.

    Returns:
        How many reservations ended.
    """
    grants = Grant.objects.filter(decision=OuterRef("decision_id"))
    waiting = ApprovalRequest.objects.open().filter(decision=OuterRef("decision_id"))
    held = Reservation.objects.held().filter(Exists(grants.filter(state__in=_UNUSED)))
    held = held.exclude(Exists(grants.exclude(state__in=_UNUSED))).exclude(Exists(waiting))
    ids = dict.fromkeys(held.order_by("id").values_list("decision_id", flat=True)[:limit])
    return sum(release(decision_id=decision_id, by=by, now=now) for decision_id in ids)
