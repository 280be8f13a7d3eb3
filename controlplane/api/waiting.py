"""Long polls: held by the streaming lane; in the web process few and short, so that they never crowd out decisions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from django.db import connection
from rest_framework.request import Request

from controlplane import parking
from controlplane.api.authentication import principal_of
from controlplane.api.problems import BadQuery
from controlplane.parking import Topic

MOST_SECONDS = 5.0
MOST_WAITERS = 4
_PAUSE = 0.2
# How the schema describes ``?wait=``.
SECONDS = {"type": "string", "pattern": "^[0-9]{1,5}s?$"}

_seats = threading.BoundedSemaphore(MOST_WAITERS)
_nobody = threading.Event()

Value = TypeVar("Value")


def read_wait(text: str | None) -> float:
    """Read ``?wait=`` in seconds (``30`` or ``30s``); more than the lane serves is cut to that.

    Raises:
        BadQuery: not a number of seconds.
    """
    if text is None:
        return 0.0
    digits = text.removesuffix("s")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 6):
        raise BadQuery("wait is a whole number of seconds.")
    return min(float(digits), parking.MOST_SECONDS)


def wait_for(
    look: Callable[[], Value],
    *,
    done: Callable[[Value], bool],
    seconds: float,
    request: Request | None = None,
    topic: Callable[[Value], Topic] | None = None,
) -> Value:
    """Look until something is done, or time or seats run out; in the lane, look once and say what to wait for.

    Args:
        look: reads the present value.
        done: says whether it is worth answering.
        seconds: how long to wait at most; the web process waits no longer than `MOST_SECONDS`.
        request: of an agent; the lane needs it to know who waits.
        topic: tells of a value that is not done what the lane is to wait for.
    """
    value = look()
    if seconds <= 0 or done(value):
        return value
    ticket = parking.ticket_of(request.META) if request is not None else None
    if request is not None and topic is not None and ticket is not None:
        ticket.topic, ticket.seconds = topic(value), seconds
        ticket.caller = f"key:{principal_of(request).public_id}"
        return value
    return _wait_here(look, value, done=done, seconds=min(seconds, MOST_SECONDS))


def _wait_here(look: Callable[[], Value], value: Value, *, done: Callable[[Value], bool], seconds: float) -> Value:
    if not _seats.acquire(blocking=False):
        return value
    try:
        ends = monotonic() + seconds
        while not done(value) and monotonic() < ends:
            # An open transaction would show the same state again and again.
            if connection.in_atomic_block:
                return value
            _nobody.wait(_PAUSE)
            value = look()
    finally:
        _seats.release()
    return value
