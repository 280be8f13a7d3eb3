"""Scheduled work of the protocol."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from audit import sql
from audit.refusals import Stale
from controlplane.delivery.readers import BATCH, follow
from controlplane.protocols.aap.events import READER

_ROUNDS = 20


@shared_task(name="aap.follow")
def follow_trail(**_: Any) -> int:
    """Read on in the trail and write what receivers are told; the sender sends it."""
    written = 0
    for _round in range(_ROUNDS):
        try:
            read = follow(READER, now=sql.now())
        except Stale:
            break
        written += read.messages
        if read.entries < BATCH:
            break
    return written
