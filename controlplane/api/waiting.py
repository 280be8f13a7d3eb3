"""Long polls in the web process: few and short, so that they never crowd out decisions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from django.db import connection

from controlplane.api.problems import BadQuery

MOST_SECONDS = 5.0
MOST_WAITERS = 4
_PAUSE = 0.2
# How the schema describes ``?wait=``.
SECONDS = {"type": "string", "pattern": "^[0-9]{1,5}s?$"}

_seats = threading.BoundedSemaphore(MOST_WAITERS)
_nobody = threading.Event()

Value = TypeVar("Value")


def read_wait(text: str | None) -> float:
    """Read ``?wait=`` in seconds (``30`` or ``30s``); what is longer than we serve is cut.

    Raises:
        BadQuery: not a number of seconds.
    """
    if text is None:
        return 0.0
    digits = text.removesuffix("s")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 6):
        raise BadQuery("wait is a whole number of seconds.")
    return min(float(digits), MOST_SECONDS)


def wait_for(look: Callable[[], Value], *, done: Callable[[Value], bool], seconds: float) -> Value:
    """Look again until something is done, or time or seats run out.

    Args:
        look: reads the present value.
        done: says whether it is worth answering.
        seconds: how long to wait at most.
    """
    value = look()
    if seconds <= 0 or done(value) or not _seats.acquire(blocking=False):
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
