"""What tests of deliveries do again and again, by production's road."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from audit.operations import record, seal
from controlplane.delivery.models import Delivery, Endpoint
from controlplane.delivery.operations import Issued, Wanted, create_endpoint
from controlplane.delivery.readers import READERS, Reader, follow
from controlplane.delivery.readers.fanout import FANOUT
from controlplane.delivery.sending import send_due
from tests.delivery.sink import Sink, guarded
from tests.world import INSTALLATION, NOW, World

# After what made the world, before what happens in it.
MADE = NOW + timedelta(milliseconds=500)
SOON = NOW + timedelta(seconds=1)
assert FANOUT in READERS


def connect(world: World, sink: Sink, **wanted: Any) -> Issued:
    """Make the team's endpoint at the sink; ``by``, ``team`` and `Wanted`'s columns may be given."""
    by, team = wanted.pop("by", world.operator), wanted.pop("team", world.team)
    wanted = {"name": "n8n", "url": sink.url, **wanted}
    return create_endpoint(wanted=Wanted(**wanted), team=team, by=by, now=MADE, guard=guarded())


def happen(kind: str = "approval.requested", *, now: datetime = SOON, **facts: Any) -> uuid.UUID:
    """Write one entry of the team's agent."""
    facts = {"team": "talent", "agent": "job-applier", "object_type": "approval", "object_id": "1", **facts}
    return record(kind=kind, by=INSTALLATION, now=now, **facts)


def read_on(*readers: Reader, now: datetime = SOON) -> None:
    """Seal, and let readers read to the end."""
    seal(now=now, everything=True)
    for reader in readers or (FANOUT,):
        while follow(reader, now=now).entries:
            pass


def send(now: datetime = SOON, **options: Any) -> int:
    """Send what is due at a moment."""
    return send_due(guard=options.pop("guard", None) or guarded(), clock=lambda: now, **options)


def one(endpoint: Endpoint) -> Delivery:
    """Return the only delivery of an endpoint."""
    return Delivery.objects.get(endpoint=endpoint)
