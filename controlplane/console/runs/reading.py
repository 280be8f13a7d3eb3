"""What other pages show of runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controlplane.console.admins import list_of, page_of
from registry.models import Agent, User
from runs.models import Run

# A thousand years: what an agent tells of a duration may be nonsense, and no page may fail for it.
LONGEST_MS: Final = 1000 * 365 * 86_400_000


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
    return Run.objects.visible_to(user).failed().since(moment).order_by().count()


def failures_url(since: str, agent: str = "") -> str:
    """Return the address of the list of failed runs, of one agent where its slug is given."""
    return list_of(Run, f"show=failed&since={since}" + (f"&agent={agent}" if agent else ""))


def runs_url(agent: Agent) -> str:
    """Return the address of an agent's runs."""
    return list_of(Run, f"agent={agent.slug}")


def recent_runs(agent: Agent, *, most: int) -> tuple[RunLine, ...]:
    """Return an agent's newest runs."""
    return tuple(
        RunLine(name_of(row), page_of(row), row.status, row.started_at, row.duration)
        for row in Run.objects.of_agent(agent)[:most]
    )


def name_of(run: Run) -> str:
    """Return what a run is called: its task, else the name that its reporter gave it."""
    return run.task or str(run)
