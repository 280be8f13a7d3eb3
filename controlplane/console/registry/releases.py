"""Releases of one agent: what is live, what is tried, what is next, and how it came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.http import HttpRequest, HttpResponse

from controlplane.console.admins import Button, page_of
from controlplane.console.dialogs import Subpage
from controlplane.console.registry.evidence import in_words, read_evidence_of
from registry.models import Agent, AgentVersion, Release, User
from registry.operations.versions import standing
from registry.permissions import operates
from registry.states import AgentState, Environment, ReleaseState, VersionState

MOST: Final = 20
# Each brings its evidence, which is three queries.
MOST_NEXT: Final = 3


@dataclass(frozen=True, slots=True)
class Place:
    """One environment.

    Attributes:
        number: of the live version; None where nothing is live.
        evidence: how it did, in sentences.
        next_step: the one thing to do next.
        back: number of the version that a rollback brings; None where there is none.
    """

    environment: str
    number: int | None
    url: str
    since: datetime | None
    by: str
    evidence: tuple[str, ...]
    next_step: str
    back: int | None
    button: Button | None


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A version that is nowhere live yet."""

    number: int
    url: str
    state: str
    note: str
    author: str
    at: datetime
    evidence: tuple[str, ...]
    button: Button


@dataclass(frozen=True, slots=True)
class Past:
    """One release, as it was."""

    number: int
    url: str
    environment: str
    state: str
    at: datetime
    by: str
    ended_at: datetime | None
    was: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasesPage:
    """Everything that the page shows."""

    heading: str
    agent: str
    agent_url: str
    places: tuple[Place, ...]
    next: tuple[DraftLine, ...]
    past: tuple[Past, ...]
    buttons: tuple[Button, ...]


def read_releases(agent: Agent, *, user: User, now: datetime) -> ReleasesPage:
    """Read the page.

    Args:
        agent: its team is joined.
        user: who looks.
        now: aware UTC.
    """
    away = "" if operates(user, agent.team) else "Operators of the agent's team and administrators release."
    if agent.state == AgentState.RETIRED:
        away = "The agent is retired."
    rows = list(
        Release.objects.filter(agent=agent)
        .select_related("version", "released_by", "rolls_back__version")
        .defer("version__definition", "rolls_back__version__definition")
        .order_by("pk")
    )
    ahead = list(
        AgentVersion.objects.filter(agent=agent, state=VersionState.DRAFT)
        .select_related("created_by", "agent")
        .defer("definition")
    )
    shown = {row.version_id: row.version for row in rows if row.state == ReleaseState.LIVE}
    shown |= {row.pk: row for row in ahead[:MOST_NEXT]}
    evidence = {number: in_words(found) for number, found in read_evidence_of(shown.values(), now=now).items()}
    return ReleasesPage(
        heading=f"Releases of {agent.slug}",
        agent=agent.slug,
        agent_url=page_of(agent),
        places=tuple(_place(agent, rows, name, ahead, away, evidence) for name in reversed(Environment.values)),
        next=tuple(_draft(row, away, evidence) for row in ahead[:MOST_NEXT]),
        past=tuple(_past(row) for row in reversed(rows[-MOST:])),
        buttons=(Button("New version…", page_of(agent, "draft"), "main", away),),
    )


def _place(
    agent: Agent,
    rows: list[Release],
    environment: str,
    ahead: list[AgentVersion],
    away: str,
    evidence: Mapping[int, tuple[str, ...]],
) -> Place:
    there = [row for row in rows if row.environment == environment]
    live = next((row for row in there if row.state == ReleaseState.LIVE), None)
    line = standing(there)
    numbers = {row.version_id: row.version.number for row in there}
    back = numbers[line[-2]] if live is not None and len(line) > 1 else None
    button = None
    if back is not None:
        url = f"{page_of(agent, 'roll-back')}?environment={environment}"
        button = Button(f"Roll back to v{back}…", url, "", away)
    newest = max((row.number for row in ahead), default=None)
    step = f"v{newest} is a draft: promote it when its evidence convinces you." if newest else "Nothing waits."
    if live is None:
        return Place(environment, None, "", None, "", (), "Nothing is live: every ask is denied.", None, None)
    return Place(
        environment,
        live.version.number,
        page_of(live.version),
        live.released_at,
        live.released_by.username,
        evidence[live.version.number],
        step,
        back,
        button,
    )


def _draft(row: AgentVersion, away: str, evidence: Mapping[int, tuple[str, ...]]) -> DraftLine:
    button = Button(f"Promote v{row.number}…", page_of(row, "promote"), "main", away)
    words = evidence[row.number]
    return DraftLine(
        row.number, page_of(row), row.state, row.note, row.created_by.username, row.created_at, words, button
    )


def _past(row: Release) -> Past:
    was = f"rolled back from v{row.rolls_back.version.number}" if row.rolls_back else "promoted"
    return Past(
        row.version.number,
        page_of(row.version),
        row.environment,
        row.state,
        row.released_at,
        row.released_by.username,
        row.ended_at,
        was,
    )


class ReleasesOf(Subpage):
    """The page below an agent's own; it is read only."""

    row: Agent

    def get(self, request: HttpRequest, **_: object) -> HttpResponse:
        """Show it."""
        page = read_releases(self.row, user=self.user, now=self.now)
        return self.framed("console/registry/releases.html", {"page": page, "title": page.heading})
