"""The reader that copies events into a stream of the broker, for consumers beside this installation.

An entry's id in the stream is its ``seq``: adding one again is refused by the broker itself, so a crash between adding
and moving the cursor doubles nothing. The stream is a copy that is cut to a length; the truth stays in the trail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from django.conf import settings
from redis.exceptions import ResponseError

from controlplane.delivery.envelope import cloud_event, dump, is_told
from controlplane.delivery.readers.following import Reader, Sealed
from controlplane.operating.heartbeats import broker

STREAM = "controlplane:events"
LONGEST = 100_000


def stream(open_broker: Callable[[], AbstractContextManager[Any]] = broker) -> Reader:
    """Return the reader.

    Args:
        open_broker: opens a client of the broker.
    """

    def add(batch: Sequence[Sealed]) -> None:
        told = [each for each in batch if is_told(each.entry.kind)]
        if told:
            with open_broker() as client:
                _add(client, told)

    return Reader("stream", before=add)


def _add(client: Any, told: Sequence[Sealed]) -> None:
    """Add events in order. What is there already is refused by the broker, and left.

    Raises:
        Exception: the broker is away, in its driver's own words; the cursor stays.
    """
    pipe = client.pipeline(transaction=False)
    for each in told:
        event = dump(cloud_event(each.entry, seq=each.seq, source=settings.PUBLIC_URL))
        fields = {"kind": each.entry.kind, "team": each.entry.team, "agent": each.entry.agent, "event": event}
        pipe.xadd(STREAM, fields, id=f"{each.seq}-0", maxlen=LONGEST, approximate=True)
    for answer in pipe.execute(raise_on_error=False):
        if isinstance(answer, ResponseError) and "equal or smaller" in str(answer):
            continue
        if isinstance(answer, Exception):
            raise answer


STREAM_READER = stream()
