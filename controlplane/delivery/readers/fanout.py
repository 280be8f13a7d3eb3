"""The reader that writes down, for each webhook endpoint, the events that it wants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings

from audit.actors import System
from audit.models import Entry
from audit.operations import record
from controlplane.delivery.envelope import cloud_event, dump, is_told, matches
from controlplane.delivery.models import Delivery, Endpoint
from controlplane.delivery.readers.following import Reader, Sealed
from controlplane.delivery.states import Means

NAME = "webhooks"
_BY = System(NAME)


def _fan_out(batch: Sequence[Sealed], now: datetime) -> int:
    """Write one delivery for each event and endpoint that wants it, and one entry for all of them."""
    endpoints = list(Endpoint.objects.listening().select_related("team"))
    told = [each for each in batch if is_told(each.entry.kind)] if endpoints else []
    rows = []
    for each in told:
        takers = [endpoint for endpoint in endpoints if wants(endpoint, each.entry)]
        if takers:
            body = dump(cloud_event(each.entry, seq=each.seq, source=settings.PUBLIC_URL))
            rows += [_delivery(endpoint, each, body, now=now) for endpoint in takers]
    if rows:
        # One INSERT for hundreds of rows; the key keeps a second one of the same out.
        Delivery.objects.bulk_create(rows)
        details = {"deliveries": len(rows)}
        record(kind="delivery.fanned_out", object_type="reader", object_id=NAME, by=_BY, now=now, details=details)
    return len(rows)


def wants(endpoint: Endpoint, entry: Entry) -> bool:
    """Say whether an endpoint gets an event: its team's, of its kinds and agents, from when it was made."""
    if entry.at < endpoint.created_at or not matches(entry.kind, endpoint.kinds):
        return False
    if endpoint.team is not None and entry.team != endpoint.team.slug:
        return False
    if endpoint.teams and entry.team not in endpoint.teams:
        return False
    return not endpoint.agents or entry.agent in endpoint.agents


def _delivery(endpoint: Endpoint, each: Sealed, body: str, *, now: datetime) -> Delivery:
    entry = each.entry
    return Delivery(
        key=f"{endpoint.id}:{entry.id}",
        means=Means.WEBHOOK,
        endpoint=endpoint,
        event_id=entry.id,
        kind=entry.kind,
        team=entry.team,
        agent=entry.agent,
        host=urlsplit(endpoint.url).hostname or "",
        body=body,
        due_at=now,
        created_at=now,
        begun_at=now,
    )


FANOUT = Reader(NAME, take=_fan_out)
