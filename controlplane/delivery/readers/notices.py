"""The reader that writes down, for each person's channels, what concerns them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from django.conf import settings
from django.urls import reverse

from approvals.models import ApprovalRequest
from audit.actors import System
from audit.models import Entry
from audit.operations import record
from controlplane.delivery.models import Channel, Delivery
from controlplane.delivery.notices import FOR_REVIEWERS, GLASS, TOO_OLD, Notice, notice_of, say, when_to_tell
from controlplane.delivery.readers.concern import read_concern
from controlplane.delivery.readers.following import Reader, Sealed
from controlplane.delivery.states import Means
from registry.models import User

NAME = "notices"
_BY = System(NAME)
_LISTS = {
    "failure": "admin:runs_failure_changelist",
    "budget": "admin:costs_budget_changelist",
    "kill": "admin:registry_killswitch_changelist",
    "audit": "admin:audit_entry_changelist",
}


def _tell(batch: Sequence[Sealed], now: datetime) -> int:
    """Write one delivery for each event and channel of a person whom it concerns, and one entry for all of them."""
    told = [
        (each, notice)
        for each in batch
        if (notice := notice_of(each.entry.kind)) is not None and now - each.entry.at < TOO_OLD
    ]
    if not told:
        return 0
    channels = _channels()
    people = {channel.user_id: channel.user for channel in channels}
    if not people:
        return 0
    concern = read_concern(((each.entry, notice) for each, notice in told), now=now)
    rows = []
    for each, notice in told:
        concerned = concern.takers(each.entry, notice, people.values())
        takers = [channel for channel in channels if channel.user_id in concerned and _takes(channel, notice)]
        if takers:
            body = _body(each.entry, notice, concern.requests.get(each.entry.object_id))
            rows += [_delivery(channel, each.entry, notice, body, now=now) for channel in takers]
    if rows:
        Delivery.objects.bulk_create(rows)
        details = {"deliveries": len(rows)}
        record(kind="delivery.noticed", object_type="reader", object_id=NAME, by=_BY, now=now, details=details)
    return len(rows)


def count_told_of_glass(request: ApprovalRequest, *, by: User, now: datetime) -> int:
    """Count the people who have a channel by which they would be told that a request's reviewers are passed over.

    Args:
        request: with its agent.
        by: who would pass them over: told as well, but not counted.
        now: aware UTC.
    """
    channels = [channel for channel in _channels() if _takes(channel, GLASS) and channel.user_id != by.pk]
    entry = Entry(object_id=str(request.pk), team=request.team, agent=request.agent.slug)
    concern = read_concern([(entry, GLASS)], now=now)
    return len(concern.takers(entry, GLASS, {channel.user_id: channel.user for channel in channels}.values()))


def _channels() -> list[Channel]:
    return list(Channel.objects.filter(user__is_active=True).select_related("user"))


def _takes(channel: Channel, notice: Notice) -> bool:
    return not channel.kinds or notice.word in channel.kinds


def _body(entry: Entry, notice: Notice, request: ApprovalRequest | None) -> str:
    """Write what is sent: a title, a sentence, and a link to the page; nothing is decided by opening it."""
    verb, deadline = "", None
    if request is not None:
        verb = request.decision.verb
        deadline = request.expires_at if notice.word in FOR_REVIEWERS else None
    # Entries of other kinds may keep something else than a sentence under that word.
    reason = json.loads(entry.details).get("reason", "") if notice is GLASS else ""
    text = say(
        notice, verb=verb, agent=entry.agent, subject=entry.object_id, outcome=entry.outcome, deadline=deadline,
        person=entry.actor_id, reason=reason,
    )  # fmt: skip
    message = {
        "title": notice.title,
        "text": text,
        "url": f"{settings.PUBLIC_URL}{_page(entry, notice)}",
        "kind": entry.kind,
        "id": str(entry.id),
    }
    return json.dumps(message, separators=(",", ":"))


def _page(entry: Entry, notice: Notice) -> str:
    if notice.about == "approval":
        return reverse("admin:approvals_approvalrequest_change", args=[entry.object_id])
    if notice.about == "audit":
        return f"{reverse(_LISTS['audit'])}?q={quote(entry.object_id)}"
    return reverse(_LISTS[notice.about])


def _delivery(channel: Channel, entry: Entry, notice: Notice, body: str, *, now: datetime) -> Delivery:
    return Delivery(
        key=f"{channel.id}:{entry.id}",
        means=Means.NOTICE,
        channel=channel,
        event_id=entry.id,
        kind=entry.kind,
        team=entry.team,
        agent=entry.agent,
        host=channel.scheme,
        body=body,
        urgent=notice.urgent,
        due_at=when_to_tell(channel.user.preferences, urgent=notice.urgent, now=now),
        created_at=now,
        begun_at=now,
    )


NOTICES_READER = Reader(NAME, take=_tell)
