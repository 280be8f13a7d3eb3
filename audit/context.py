"""What surrounds a write: the request's id and the caller's address, set by whoever opens the request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Facts of the request or task that trail entries repeat.

    Attributes:
        request_id: id of the HTTP request or task run.
        address: network address of the caller, empty for tasks and commands.
    """

    request_id: str = ""
    address: str = ""


_NOWHERE = Surroundings()
_current: ContextVar[Surroundings] = ContextVar("surroundings", default=_NOWHERE)


def surroundings() -> Surroundings:
    """Return what surrounds the present write."""
    return _current.get()


@contextmanager
def within(*, request_id: str, address: str = "") -> Iterator[None]:
    """Run a block inside the given surroundings.

    Args:
        request_id: id of the HTTP request or task run.
        address: network address of the caller.
    """
    token = _current.set(Surroundings(request_id=request_id, address=address))
    try:
        yield
    finally:
        _current.reset(token)
