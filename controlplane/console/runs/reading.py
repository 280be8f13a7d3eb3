"""What other pages show of runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.models import Agent, User


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in a line."""

    name: str
    url: str
    status: str
    started_at: datetime
    lasted: timedelta | None


def failed_since(user: User, moment: datetime) -> int:
    """Count the runs that failed or crashed since a moment, of those that the person may see."""
    return 0


def failures_url(since: str) -> str:
    """Return the address of the list of failed runs."""
    return ""


def runs_url(agent: Agent) -> str:
    """Return the address of an agent's runs."""
    return ""


def recent_runs(agent: Agent, *, most: int) -> tuple[RunLine, ...]:
    """Return an agent's newest runs."""
    return ()
