"""What people, and time, do with deliveries: try again, cancel, test, give up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from audit.actors import Acting, System
from audit.ids import new_id
from audit.operations import record
from audit.refusals import Conflict, Stale
from audit.transitions import move, note
from controlplane.delivery import schedule
from controlplane.delivery.envelope import dump
from controlplane.delivery.models import Attempt, Delivery, Endpoint
from controlplane.delivery.permissions import may_handle, may_manage
from controlplane.delivery.states import OPEN, DeliveryState, EndpointState, Means
from registry.models import User

TEST_KIND = "webhook.test"
MOST_REPLAYED = 500
# How long the log keeps what needs nobody any more.
KEPT = timedelta(days=30)
_OVER = (DeliveryState.DELIVERED, DeliveryState.CANCELLED)
_BY = System("webhooks")


@transaction.atomic
def retry(*, delivery: Delivery, by: User, now: datetime) -> None:
    """Try a delivery now: one that waits for its next attempt at once, one that was given up from the beginning.

    Raises:
        Missing: not theirs to see.
        IllegalTransition: it was delivered.
        Stale: somebody else was first, or it is being sent.
    """
    may_handle(by, delivery)
    if delivery.state in OPEN:
        rows = Delivery.objects.due(now) | Delivery.objects.filter(state__in=OPEN, claimed_until=None)
        if rows.filter(pk=delivery.pk, state=delivery.state).update(due_at=now) != 1:
            raise Stale("It is being sent, or was closed, in the meantime.")
        note(delivery, kind="delivery.hurried", by=by, now=now, outcome=delivery.state)
        return
    _restart(delivery, by=by, now=now)


@transaction.atomic
def replay_dead(*, endpoint: Endpoint, by: User, now: datetime) -> int:
    """Begin again with what was given up at an endpoint, oldest first, `MOST_REPLAYED` at a time.

    Raises:
        Missing: not theirs to see.
    """
    may_manage(by, endpoint)
    rows = Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.DEAD).order_by("id")[:MOST_REPLAYED]
    done = 0
    for row in rows:
        try:
            _restart(row, by=by, now=now)
            done += 1
        except Stale:
            continue
    return done


@transaction.atomic
def cancel(*, delivery: Delivery, by: User, now: datetime) -> None:
    """Send a delivery no more.

    Raises:
        Missing: not theirs to see.
        IllegalTransition, Stale: it is closed; somebody else was first.
    """
    may_handle(by, delivery)
    move(delivery, DeliveryState.CANCELLED, by=by, now=now, fields={"closed_at": now}, details={"tells": delivery.kind})


@transaction.atomic
def send_test(*, endpoint: Endpoint, by: User, now: datetime) -> Delivery:
    """Write down a test event for an endpoint; it is sent as any other, and its row says what came of it.

    Raises:
        Missing: not theirs to see.
        Conflict: it is disabled.
    """
    may_manage(by, endpoint)
    if endpoint.state == EndpointState.DISABLED:
        raise Conflict("The webhook is disabled; enable it first.")
    event_id = new_id()
    event = {
        "specversion": "1.0",
        "id": str(event_id),
        "source": settings.PUBLIC_URL,
        "type": TEST_KIND,
        "subject": f"webhook/{endpoint.id}",
        "time": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {"object": {"type": "webhook", "id": str(endpoint.id)}},
    }
    delivery = Delivery.objects.create(
        key=f"{endpoint.id}:{event_id}",
        means=Means.WEBHOOK,
        endpoint=endpoint,
        event_id=event_id,
        kind=TEST_KIND,
        team=endpoint.audit_team,
        host=urlsplit(endpoint.url).hostname or "",
        body=dump(event),
        due_at=now,
        created_at=now,
        begun_at=now,
    )
    note(delivery, kind="delivery.queued", by=by, now=now, outcome=DeliveryState.PENDING, details={"tells": TEST_KIND})
    return delivery


def give_up_old(*, now: datetime, limit: int = 500) -> int:
    """Give up what is open for longer than a whole schedule takes: a breaker, or a disabled endpoint, held it back.

    Args:
        now: aware UTC.
        limit: how many at most.

    Returns:
        How many were given up.
    """
    rows = Delivery.objects.open().filter(begun_at__lt=now - schedule.LONGEST_LIFE).order_by("id")[:limit]
    done = 0
    for row in rows:
        fields = {"closed_at": now, "last_error": row.last_error or "held back until its time was over"}
        try:
            with transaction.atomic():
                move(row, DeliveryState.DEAD, by=_BY, now=now, fields=fields, details={"tells": row.kind})
            done += 1
        except Stale:
            continue
    return done


@transaction.atomic
def prune(*, now: datetime, limit: int = 1000) -> int:
    """Delete what was delivered or cancelled long ago, attempts and all; what was given up stays. The trail keeps both.

    Args:
        now: aware UTC.
        limit: how many at most.

    Returns:
        How many were deleted.
    """
    over = Delivery.objects.filter(state__in=_OVER, closed_at__lt=now - KEPT).order_by("id")
    ids = list(over.values_list("pk", flat=True)[:limit])
    if not ids:
        return 0
    Attempt.objects.filter(delivery__in=ids).delete()
    done, _ = Delivery.objects.filter(pk__in=ids, state__in=_OVER).delete()
    if not done:
        # Somebody else did at the same time, and wrote it down.
        return 0
    record(
        kind="delivery.pruned", object_type="delivery", object_id="log", by=_BY, now=now, details={"deliveries": done}
    )
    return done


def _restart(delivery: Delivery, *, by: Acting, now: datetime) -> None:
    fields = {
        "attempts": 0, "soon": 0, "due_at": now, "begun_at": now, "closed_at": None, "claim": None,
        "claimed_until": None,
    }  # fmt: skip
    move(delivery, DeliveryState.PENDING, by=by, now=now, kind="delivery.replayed", fields=fields)
