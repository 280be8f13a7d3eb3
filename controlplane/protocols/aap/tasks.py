"""Scheduled work of the protocol."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from audit import sql
from audit.refusals import Stale
from controlplane.delivery.readers import BATCH, follow
from controlplane.protocols.aap.events import READER
from controlplane.protocols.aap.models import Instance

_ROUNDS = 20
# Entries at a time however many receivers there are. An entry may be told to twenty, a batch is told in one
# transaction, and on SQLite that shuts every other writer out: 0.6 ms for each, six seconds for a whole batch.
_FEWEST = 25


@shared_task(name="aap.follow")
def follow_trail(**_: Any) -> int:
    """Read on in the trail and write what receivers are told; the sender sends it."""
    written = 0
    limit = max(_FEWEST, BATCH // (1 + Instance.objects.present().exclude(url="").count()))
    for _round in range(_ROUNDS * BATCH // limit):
        try:
            read = follow(READER, now=sql.now(), limit=limit)
        except Stale:
            break
        written += read.messages
        if read.entries < limit:
            break
    return written
