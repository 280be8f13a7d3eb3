"""The reader that copies events into a stream of the broker, for consumers beside this installation.

An entry's id in the stream is its timeline and its ``seq``: adding one again is refused by the broker itself, so a
crash between adding and moving the cursor doubles nothing. The stream is a copy that is cut to a length; the truth
stays in the trail.

A restored backup takes the trail back to an earlier ``seq``, and other entries come under the numbers that the stream
holds already. From then on they form the next timeline, so that ids still rise: who reads on misses none of them.
"""

from __future__ import annotations

import json
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
_FIRST_TIMELINE = 1


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
    timeline = _timeline(client, told)
    pipe = client.pipeline(transaction=False)
    for each in told:
        event = dump(cloud_event(each.entry, seq=each.seq, source=settings.PUBLIC_URL))
        fields = {"kind": each.entry.kind, "team": each.entry.team, "agent": each.entry.agent, "event": event}
        pipe.xadd(STREAM, fields, id=f"{timeline}-{each.seq}", maxlen=LONGEST, approximate=True)
    for answer in pipe.execute(raise_on_error=False):
        if isinstance(answer, ResponseError) and "equal or smaller" in str(answer):
            continue
        if isinstance(answer, Exception):
            raise answer


def _timeline(client: Any, told: Sequence[Sealed]) -> int:
    """Return the stream's newest timeline, or the next one where it holds other events under these numbers.

    One event tells for the whole batch, the last whose number is not above the newest: two trails that have the same
    entry under a number have the same ones before it.
    """
    if not client.exists(STREAM):
        return _FIRST_TIMELINE
    timeline, newest = map(int, client.xinfo_stream(STREAM)["last-generated-id"].split(b"-"))
    again = [each for each in told if each.seq <= newest]
    if not again:
        return timeline
    place = f"{timeline}-{again[-1].seq}"
    held = client.xrange(STREAM, place, place)
    same = bool(held) and json.loads(held[0][1][b"event"])["id"] == str(again[-1].entry.id)
    return timeline if same else timeline + 1


STREAM_READER = stream()
