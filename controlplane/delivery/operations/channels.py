"""People's channels: where they are told, and of what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from audit.ids import new_id
from audit.refusals import Conflict, Invalid, Problem
from audit.transitions import note
from controlplane import atrest, outgoing
from controlplane.delivery.channels import read_address
from controlplane.delivery.models import Channel, Delivery
from controlplane.delivery.notices import NOTICES
from controlplane.delivery.permissions import may_keep
from controlplane.delivery.states import DeliveryState, Means
from registry.models import User
from registry.permissions import person

MOST_CHANNELS = 10
_HINT = 4


def add_channel(
    *,
    name: str,
    address: str,
    kinds: Sequence[str],
    by: User,
    now: datetime,
    guard: outgoing.Guard | None = None,
) -> Channel:
    """Add a channel of one's own. Its host is resolved before the transaction, as for webhooks.

    Args:
        name: the person's own word for it.
        address: see `controlplane.delivery.channels`; kept encrypted, shown to nobody.
        kinds: words of `NOTICES`; empty for all.
        by: whose it is.
        now: aware UTC.
        guard: of outgoing calls; the installation's when left out.

    Raises:
        Invalid, BadAddress, UnsafeUrl: 422; name, kinds or address are none that are admitted.
        Conflict: the name is taken, or there are too many.
    """
    person(by)
    name = name.strip()
    _check(name, kinds)
    known = read_address(address)
    guard = guard or outgoing.guard()
    if known.host:
        guard.check(known.url or f"https://{known.host}/", pointer="/address")
    return _add(name, address.strip(), known.scheme, kinds, by=by, now=now)


@transaction.atomic
def _add(name: str, address: str, scheme: str, kinds: Sequence[str], *, by: User, now: datetime) -> Channel:
    mine = Channel.objects.filter(user=by)
    if mine.count() >= MOST_CHANNELS:
        raise Conflict(f"You have {MOST_CHANNELS} channels already; remove one first.")
    if mine.filter(name=name).exists():
        raise Conflict("You have a channel of that name already.")
    channel = Channel(user=by, name=name, scheme=scheme, kinds=sorted(set(kinds)), created_at=now)
    channel.hint = address[-_HINT:]
    channel.address = atrest.seal(address, place=channel.place("address"))
    channel.save(force_insert=True)
    details = {"scheme": scheme, "kinds": channel.kinds}
    note(channel, kind="channel.added", by=by, now=now, details=details)
    return channel


@transaction.atomic
def choose_kinds(*, channel: Channel, kinds: Sequence[str], by: User, now: datetime) -> None:
    """Choose what one of one's channels is told.

    Raises:
        Missing: somebody else's.
        Invalid: a kind is none.
    """
    may_keep(by, channel)
    _check(channel.name, kinds)
    chosen = sorted(set(kinds))
    if chosen == channel.kinds:
        return
    details = {"before": channel.kinds, "after": chosen}
    Channel.objects.filter(pk=channel.pk).update(kinds=chosen)
    channel.kinds = chosen
    note(channel, kind="channel.changed", by=by, now=now, details=details)


@transaction.atomic
def remove_channel(*, channel: Channel, by: User, now: datetime) -> None:
    """Remove one of one's channels; what still waits for it is cancelled.

    Raises:
        Missing: somebody else's.
    """
    may_keep(by, channel)
    waiting = Delivery.objects.open().filter(channel=channel)
    details = {"scheme": channel.scheme, "cancelled": waiting.count()}
    # One entry for all of them: they are nobody's evidence.
    waiting.update(state=DeliveryState.CANCELLED, closed_at=now)
    note(channel, kind="channel.removed", by=by, now=now, details=details)
    channel.delete()


@transaction.atomic
def try_channel(*, channel: Channel, by: User, now: datetime) -> Delivery:
    """Write down a test notification for one of one's channels.

    Raises:
        Missing: somebody else's.
    """
    may_keep(by, channel)
    event_id = new_id()
    message = {
        "title": "Test",
        "text": f"This is what the control plane's notifications to {channel.name} look like.",
        "url": settings.PUBLIC_URL,
        "kind": "channel.test",
        "id": str(event_id),
    }
    delivery = Delivery.objects.create(
        key=f"{channel.id}:{event_id}",
        means=Means.NOTICE,
        channel=channel,
        event_id=event_id,
        kind="channel.test",
        host=channel.scheme,
        body=json.dumps(message, separators=(",", ":")),
        urgent=True,
        due_at=now,
        created_at=now,
        begun_at=now,
    )
    note(channel, kind="channel.tested", by=by, now=now)
    return delivery


def _check(name: str, kinds: Sequence[str]) -> None:
    problems = []
    if not 0 < len(name) <= 80 or not name.isprintable():
        problems.append(Problem("/name", "not_admitted", "A name has 1 to 80 printable characters."))
    problems += [
        Problem("/kinds", "unknown", f"There is no kind {kind[:40]}.") for kind in kinds if kind not in NOTICES
    ]
    if problems:
        raise Invalid("The channel cannot be saved.", errors=problems)
