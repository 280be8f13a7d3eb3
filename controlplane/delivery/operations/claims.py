"""Taking what is due, and writing down what came of it."""

from __future__ import annotations

import contextlib
import random
import uuid
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, Min, OuterRef

from approvals.models import ApprovalRequest
from audit.actors import System
from audit.models import Entry
from audit.refusals import Conflict
from audit.transitions import move
from controlplane import atrest
from controlplane.delivery import schedule, signing
from controlplane.delivery.judging import Meaning, Outcome, meaning_of
from controlplane.delivery.models import Attempt, Delivery, Endpoint
from controlplane.delivery.notices import ASKING
from controlplane.delivery.operations.endpoints import secrets_in_force
from controlplane.delivery.states import DeliveryState, EndpointState, Means

# Callbacks, and notifications, under way: this many times what one place may have.
_PLACES = 4
# Longer than any call: a sender that was killed is followed after this.
CLAIM = timedelta(seconds=60)
_BY = System("webhooks")
_RELATED = ("endpoint__team", "channel")
# Spreads retries; nothing secret depends on it.
_chance = random.SystemRandom().random


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt to be made.

    Attributes:
        delivery_id: of what.
        claim: shows later that it was still ours.
        means: of `controlplane.delivery.states.Means`.
        places: whose slots it takes while it is under way, see `_places_of`.
        url: where to.
        body: the text.
        headers: signed.
        error: why it cannot be sent at all; empty otherwise.
    """

    delivery_id: uuid.UUID
    claim: uuid.UUID
    means: str
    places: tuple[Hashable, ...]
    url: str
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


def claim(*, now: datetime, most: int, each: int, busy: Mapping[Any, int]) -> list[Job]:
    """Take deliveries that are due, some of each place; a broken endpoint gives one, as a probe.

    Args:
        now: aware UTC.
        most: how many at most.
        each: how many to one endpoint may be under way, and of callbacks how many to one host or of one agent.
        busy: how many are, by `Job.places`.
    """
    found = _candidates(now=now, most=most, each=each, busy=busy)
    if not found:
        return []
    token = uuid.uuid4()
    # One guarded UPDATE for all: what somebody else took meanwhile is not due any more.
    free = Delivery.objects.due(now).filter(pk__in=[row.pk for row in found])
    if free.update(claim=token, claimed_until=now + CLAIM) != len(found):
        ours = set(Delivery.objects.filter(claim=token).values_list("pk", flat=True))
        found = [row for row in found if row.pk in ours]
    return [_job(row, token, now=now) for row in found if not _is_over(row, now=now)]


def _candidates(*, now: datetime, most: int, each: int, busy: Mapping[Any, int]) -> list[Delivery]:
    """Read what could be taken, outside a transaction: mostly there is nothing."""
    waiting = Delivery.objects.due(now)
    # Shares of their own: whatever receivers of callbacks do, people are told that something waits for them.
    notices = waiting.filter(means=Means.NOTICE).order_by("due_at").select_related(*_RELATED)
    found = list(notices[: max(min(most, each * _PLACES) - busy.get(Means.NOTICE, 0), 0)])
    found += _callbacks(now=now, most=most - len(found), each=each, busy=busy)
    endpoints = Endpoint.objects.willing(now).filter(Exists(waiting.filter(endpoint=OuterRef("pk"))))
    for endpoint_id, state in endpoints.values_list("pk", "state"):
        share = 1 if state == EndpointState.BROKEN else each
        room = min(share - busy.get(endpoint_id, 0), most - len(found))
        if room > 0:
            found += waiting.filter(endpoint=endpoint_id).order_by("due_at", "id").select_related(*_RELATED)[:room]
    return found


def _callbacks(*, now: datetime, most: int, each: int, busy: Mapping[Any, int]) -> list[Delivery]:
    """Read callbacks that could be taken: a host that hangs, or an agent's many, leave room for everybody else's."""
    waiting = Delivery.objects.due(now).filter(means=Means.CALLBACK)
    taken = Counter(busy)
    most = min(most, each * _PLACES - taken[Means.CALLBACK])
    found: list[Delivery] = []
    pairs = waiting.order_by().values_list("agent", "host").annotate(first=Min("due_at")).order_by("first")
    for agent, host in pairs.values_list("agent", "host"):
        busiest = max(taken["agent", agent], taken["host", host])
        room = min(each - busiest, most - len(found))
        if room > 0:
            of_both = waiting.filter(agent=agent, host=host).order_by("due_at", "id").select_related(*_RELATED)[:room]
            found += of_both
            taken.update(place for row in of_both for place in _places_of(row))
    return found


def _places_of(row: Delivery) -> tuple[Hashable, ...]:
    """Return whose slots a delivery takes while it is under way."""
    if row.means == Means.CALLBACK:
        return (Means.CALLBACK, ("agent", row.agent), ("host", row.host))
    return (row.endpoint_id or Means.NOTICE,)


def _is_over(row: Delivery, *, now: datetime) -> bool:
    """Cancel a notification that waited, for quiet hours or a service, until what it asks for was decided.

    Returns:
        Whether it was.
    """
    if row.means != Means.NOTICE or row.kind not in ASKING:
        return False
    entry = Entry.objects.filter(pk=row.event_id).first()
    if entry is None or ApprovalRequest.objects.open().filter(pk=entry.object_id).exists():
        return False
    fields = {"closed_at": now, "claim": None, "claimed_until": None, "last_error": "it was decided in the meantime"}
    with transaction.atomic(), contextlib.suppress(Conflict):
        move(row, DeliveryState.CANCELLED, by=_BY, now=now, details={"tells": row.kind}, fields=fields)
    return True


def _job(row: Delivery, token: uuid.UUID, *, now: datetime) -> Job:
    """Open what is sealed and sign."""
    places = _places_of(row)
    try:
        if row.means == Means.NOTICE:
            if row.channel is None:
                return Job(row.pk, token, row.means, places, "", row.body, error="the channel is gone")
            address = atrest.open_sealed(row.channel.address, place=row.channel.place("address"))
            return Job(row.pk, token, row.means, places, address, row.body)
        if row.endpoint is not None:
            url, keys = row.endpoint.url, secrets_in_force(row.endpoint, now=now)
        else:
            url = atrest.open_sealed(row.url, place=row.place("url"))
            keys = [atrest.open_sealed(row.secret, place=row.place("secret"))]
    except atrest.Unreadable:
        error = "its secret cannot be decrypted with the installation's keys"
        return Job(row.pk, token, row.means, places, "", row.body, error=error)
    headers = signing.signed_headers(message_id=str(row.event_id), body=row.body, keys=keys, now=now)
    return Job(row.pk, token, row.means, places, url, row.body, headers)


@transaction.atomic
def settle(*, ended: Sequence[tuple[Job, Outcome]], now: datetime) -> int:
    """Write down what came of attempts. Those that were claimed by somebody else meanwhile are theirs.

    Args:
        ended: attempts and what they saw.
        now: aware UTC.

    Returns:
        How many were written.
    """
    ids = [job.delivery_id for job, _ in ended]
    # The lock: rows on PostgreSQL, on SQLite the whole file since the transaction began.
    rows = {row.pk: row for row in Delivery.objects.select_for_update().filter(pk__in=ids).order_by("pk")}
    endpoints = {row.endpoint_id for row in rows.values() if row.endpoint_id}
    breakers = {
        row.pk: row
        for row in Endpoint.objects.select_for_update(of=("self",))
        .select_related("team")
        .filter(pk__in=endpoints)
        .order_by("pk")
    }
    tries = []
    for job, outcome in ended:
        row = rows.get(job.delivery_id)
        if row is None or row.claim != job.claim:
            continue
        endpoint = breakers.get(row.endpoint_id) if row.endpoint_id else None
        meaning = meaning_of(row.means, outcome)
        try:
            _close(row, meaning, outcome, now=now)
        except Conflict:
            # Cancelled while it was under way; that it was sent is told by the attempt.
            Delivery.objects.filter(pk=row.pk).update(claim=None, claimed_until=None)
        tries.append(
            Attempt(
                delivery=row,
                at=now,
                milliseconds=outcome.milliseconds,
                status=outcome.status,
                error=outcome.error[:200],
            )
        )
        if endpoint is not None:
            _note_health(endpoint, meaning, outcome, now=now)
    Attempt.objects.bulk_create(tries)
    return len(tries)


def _close(row: Delivery, meaning: Meaning, outcome: Outcome, *, now: datetime) -> None:
    """Move a delivery to where the attempt left it."""
    fields: dict[str, Any] = {
        "claim": None,
        "claimed_until": None,
        "last_status": outcome.status,
        "last_error": "" if meaning is Meaning.DELIVERED else outcome.words[:200],
    }
    details = {"status": outcome.status, "tells": row.kind}
    if meaning is Meaning.DELIVERED:
        move(row, DeliveryState.DELIVERED, by=_BY, now=now, details=details, fields={**fields, "closed_at": now})
        return
    if meaning is Meaning.SOON and row.soon < schedule.MOST_SOON:
        again: datetime | None = now + schedule.SOON
        fields["soon"] = row.soon + 1
    else:
        fields["attempts"] = row.attempts + 1
        again = schedule.next_attempt(row.attempts + 1, now=now, chance=_chance())
    details |= {"attempts": row.attempts + 1, "error": outcome.words[:200]}
    if meaning is Meaning.GONE or again is None or now - row.begun_at > schedule.LONGEST_LIFE:
        move(row, DeliveryState.DEAD, by=_BY, now=now, details=details, fields={**fields, "closed_at": now})
        return
    fields["due_at"] = max(again, now + outcome.wait)
    move(row, DeliveryState.RETRYING, by=_BY, now=now, details=details, fields=fields)


def _note_health(endpoint: Endpoint, meaning: Meaning, outcome: Outcome, *, now: datetime) -> None:
    """Open, keep or close an endpoint's breaker; a 410 disables it."""
    if endpoint.state == EndpointState.DISABLED:
        return
    if meaning is Meaning.GONE:
        fields: dict[str, Any] = {"state_reason": "It answered 410: gone.", "failures": 0, "probe_at": None}
        move(endpoint, EndpointState.DISABLED, by=_BY, now=now, details={"status": 410}, fields=fields)
    elif meaning is Meaning.DELIVERED:
        if endpoint.state == EndpointState.BROKEN:
            fields = {"state_reason": "", "failures": 0, "probe_at": None}
            move(endpoint, EndpointState.ACTIVE, by=_BY, now=now, kind="webhook.recovered", fields=fields)
        elif endpoint.failures:
            _count(endpoint, {"failures": 0})
    else:
        failures = endpoint.failures + 1
        if failures < schedule.BREAKS_AFTER:
            _count(endpoint, {"failures": failures})
            return
        fields = {"failures": failures, "probe_at": schedule.next_probe(failures, now=now)}
        if endpoint.state == EndpointState.BROKEN:
            _count(endpoint, fields)
            return
        fields["state_reason"] = f"{failures} failures in a row; the last: {outcome.words}"[:200]
        move(endpoint, EndpointState.BROKEN, by=_BY, now=now, details={"failures": failures}, fields=fields)


def _count(endpoint: Endpoint, columns: Mapping[str, Any]) -> None:
    Endpoint.objects.filter(pk=endpoint.pk).update(**columns)
    for name, value in columns.items():
        setattr(endpoint, name, value)
