"""Running the same thing in several threads at the same moment, each with its own connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connections

WAIT = 30  # seconds until a barrier that nobody reaches breaks


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Start every call at the same moment, each in a thread of its own.

    Args:
        calls: what to do; exceptions are outcomes.

    Returns:
        What each call returned or raised, in order.
    """
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            barrier.wait(WAIT)
            return call()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test judges it
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def raised(outcomes: Sequence[Any]) -> list[type[BaseException]]:
    """Return the types of the exceptions among outcomes."""
    return [type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]
