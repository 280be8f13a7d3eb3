"""What a view tells the streaming lane about a request that may wait: the lane itself holds no rules.

The lane asks the same Django application as everybody else and hands it a `Ticket` in the WSGI environment, where no
header of a caller can put one. A view that finds nothing yet notes what it waits for; the lane holds the request, cheap
and without a thread, and asks the application again when that has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

# No header of a caller becomes a name like this one.
ENVIRON_KEY = "controlplane.lane"
MOST_SECONDS = 60.0


class Kind(StrEnum):
    """What can be waited for."""

    APPROVAL = "approval"
    COMMANDS = "commands"


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing that is waited for.

    Attributes:
        kind: what sort of thing.
        id: of the approval request, or primary key of the agent that waits for commands.
    """

    kind: Kind
    id: UUID | int


@dataclass(slots=True)
class Ticket:
    """What the application says of one request; empty: answer at once.

    Attributes:
        topic: what the request waits for.
        caller: who waits, for counting: a key's public id, a person's primary key.
        seconds: how long it may wait, from its beginning.
        person: who reads server push; None for everybody else.
    """

    topic: Topic | None = None
    caller: str = ""
    seconds: float = 0.0
    person: int | None = None


def ticket_of(meta: Mapping[str, Any]) -> Ticket | None:
    """Return the lane's ticket, or None in every other process.

    Args:
        meta: the request's WSGI environment.
    """
    found = meta.get(ENVIRON_KEY)
    return found if isinstance(found, Ticket) else None
