"""Scheduled work of deliveries: reading on in the trail, and sending what is due."""

from __future__ import annotations

import contextlib
from typing import Any

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError

from audit import sql
from audit.operations import seal
from audit.refusals import Stale
from controlplane import outgoing
from controlplane.delivery import operations, sending
from controlplane.delivery.readers import BATCH, READERS, follow
from controlplane.delivery.readers.following import Reader

_ROUNDS = 20

logger = structlog.get_logger(__name__)


@shared_task(name="delivery.follow", bind=True)
def follow_trail(self: Any, /, **_: Any) -> int:
    """Seal what was written, read on to every reader, and wake the sender if there is something to send."""
    messages = 0
    for _round in range(_ROUNDS):
        # First the seal, so that what was just written goes out now and not a second later; the readers' own entries
        # come last.
        if not seal(now=sql.now()) and _round:
            break
        messages += sum(_read_on(reader) for reader in READERS)
    if messages and not self.request.is_eager and not self.request.called_directly:
        # A hint of a worker: without it the schedule's own sending comes within a second.
        with contextlib.suppress(OperationalError):
            send_due.apply_async(retry=False)
    return messages


def _read_on(reader: Reader) -> int:
    """Let one reader read on; what goes wrong is its own, and the next run begins at the same place."""
    messages = 0
    try:
        for _round in range(_ROUNDS):
            read = follow(reader, now=sql.now())
            messages += read.messages
            if read.entries < BATCH:
                break
    except Stale:
        pass
    except Exception as error:  # noqa: BLE001  # a reader that fails must not stop the others
        logger.warning("a reader of the trail does not come forward", reader=reader.name, error=repr(error))
    return messages


@shared_task(name="delivery.send")
def send_due(**_: Any) -> int:
    """Send what is due."""
    return sending.send_due(guard=outgoing.guard(), clock=sql.now)


@shared_task(name="delivery.give_up_old")
def give_up(**_: Any) -> int:
    """Give up what an open breaker held back for too long."""
    return operations.give_up_old(now=sql.now())


@shared_task(name="delivery.prune")
def prune(**_: Any) -> int:
    """Delete from the log what was delivered or cancelled long ago."""
    done = 0
    for _round in range(_ROUNDS * 5):
        deleted = operations.prune(now=sql.now())
        done += deleted
        if not deleted:
            break
    return done
