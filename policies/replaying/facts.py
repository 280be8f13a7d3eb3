"""What a recorded decision gives to whoever judges it again (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec

from policies.facts import Declared


class Said(msgspec.Struct, frozen=True):
    """A reason as a decision recorded it."""

    code: str
    policy: str | None = None
    rule: str | None = None
    text: str = ""


@dataclass(slots=True)
class Recorded:
    """One decision as it was recorded.

    Attributes:
        reasons: why it said so.
        estimate: nano-USD that the agent expected, or None.
        declared: what the agent said; None: its payload was erased.
    """

    id: UUID
    agent_id: int
    team: str
    environment: str
    verb: str
    effect: str
    reasons: tuple[Said, ...]
    estimate: int | None
    at: datetime
    declared: Declared | None = field(default=None, repr=False)
