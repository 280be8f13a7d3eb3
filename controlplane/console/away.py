"""What happened since the log-in before the present one: what was decided, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.db.models import Sum

from approvals.models import ApprovalQuerySet, ApprovalRequest
from approvals.states import ApprovalState
from audit.ids import floor_id
from audit.models import Entry
from controlplane.console.admins import list_of
from costs.models import CostRollup
from costs.sums import Total
from registry.models import User

# Beyond it the sums of days are read: those of hours are twenty-four times as many.
_BY_HOURS: Final = timedelta(hours=48)
# How long a request waits at most, and as long again for a sweep that came late.
_LONGEST_WAIT: Final = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Away:
    """What a person missed.

    Attributes:
        since: when they had logged in before.
        decided: requests that were closed since and that they see, written.
        decided_url: of exactly these.
        nanousd, unpriced: spent by live versions since, from the hour or (after two days) the UTC day on that `since`
            lies in, as of the last sums; None and 0 for whoever has no part in money.
    """

    since: datetime
    decided: str
    decided_url: str
    nanousd: int | None
    unpriced: int


def log_in_before(user: User) -> datetime | None:
    """Return when a person logged in before the present time, from the trail; None at their first visit."""
    rows = Entry.objects.about(user.audit_type, user.audit_id).filter(kind="person.logged_in")
    moments = rows.order_by("-id").values_list("at", flat=True)[:2]
    return moments[1] if len(moments) > 1 else None


def closed_since(user: User, since: datetime | None) -> ApprovalQuerySet:
    """Return the visible requests that were closed since a moment; none without one."""
    if since is None:
        return ApprovalRequest.objects.none()
    # The id bounds the scan, for `closed_at` has no index.
    asked = ApprovalRequest.objects.visible_to(user).filter(pk__gte=floor_id(since - _LONGEST_WAIT))
    return asked.exclude(state=ApprovalState.PENDING).filter(closed_at__gte=since)


def read_away(user: User, *, since: datetime, decided: str, has_money: bool, now: datetime) -> Away:
    """Read it.

    Args:
        user: who was away.
        since: of `log_in_before`.
        decided: how many `closed_since` has, written.
        has_money: whether spend is theirs to see.
        now: aware UTC.
    """
    nanousd, unpriced = _spent(user, since, now) if has_money else (None, 0)
    query = urlencode({"show": "decided", "closed_at__gte": since.isoformat()})
    return Away(since, decided, list_of(ApprovalRequest, query), nanousd, unpriced)


def _spent(user: User, since: datetime, now: datetime) -> tuple[int, int]:
    sums = CostRollup.objects.visible_to(user).real()
    start = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if now - since > _BY_HOURS:
        sums, start = sums.daily(), start.replace(hour=0)
    else:
        sums = sums.hourly()
    found = sums.filter(bucket_start__gte=start).aggregate(
        nanousd=Total("cost_nanousd"), unpriced=Sum("unpriced_calls")
    )
    return found["nanousd"] or 0, found["unpriced"] or 0
