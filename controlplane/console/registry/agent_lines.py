"""The lines of an agent's page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controlplane.console.admins import page_of
from registry.models import Agent, AgentKey, AgentTransfer, KillExemption, User
from registry.permissions import operates
from registry.states import KeyState


@dataclass(frozen=True, slots=True)
class Live:
    """What is live in one environment; without a version nothing is."""

    environment: str
    number: int | None
    url: str
    since: datetime | None
    by: str
    can_roll_back: bool


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version."""

    number: int
    url: str
    state: str
    note: str
    checksum: str
    author: str
    at: datetime


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key; `state` says ``expired`` where time ended it."""

    name: str
    url: str
    environment: str
    state: str
    scopes: str
    expires_at: datetime
    last_used_at: datetime | None
    expires_soon: bool


@dataclass(frozen=True, slots=True)
class CommandLine:
    """One command: what was requested, and what the agent said came of it."""

    kind: str
    state: str
    by: str
    requested_at: datetime
    reported_at: datetime | None
    note: str


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """One decision."""

    verb: str
    url: str
    effect: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Proposed:
    """An open proposal to hand the agent over; addresses are empty for whoever may not answer."""

    to: str
    by: str
    at: datetime
    reason: str
    accept_url: str
    decline_url: str


@dataclass(frozen=True, slots=True)
class LetOut:
    """A kill switch in force that the agent was let out of."""

    scope: str
    reason: str
    by: str
    at: datetime
    url: str


def key_state(key: AgentKey, now: datetime) -> str:
    """Return a key's state; expiry is compared at use, so no row says it."""
    if key.state == KeyState.LIVE and key.expires_at <= now:
        return "expired"
    return str(key.state)


def proposed(agent: Agent, user: User, *, here: bool) -> Proposed | None:
    """Return the open proposal about an agent.

    Args:
        agent: its team is joined.
        user: who looks.
        here: whether they operate that team.
    """
    rows = AgentTransfer.objects.open().filter(agent=agent, epoch=agent.epoch)
    row = rows.select_related("owner", "team", "proposed_by").first()
    if row is None:
        return None
    return Proposed(
        f"{row.owner.username}, team {row.team.slug}",
        row.proposed_by.username,
        row.proposed_at,
        row.reason,
        page_of(agent, "accept") if here and (row.team_id == agent.team_id or operates(user, row.team)) else "",
        page_of(agent, "decline") if here or row.proposed_by_id == user.pk else "",
    )


def let_out_of(agent: Agent) -> tuple[LetOut, ...]:
    """Return the kill switches in force that an agent was let out of."""
    rows = KillExemption.objects.filter(agent=agent, switch__state="in_force").select_related("switch", "let_out_by")
    return tuple(
        LetOut(str(row.switch), row.reason, row.let_out_by.username, row.let_out_at, page_of(row.switch))
        for row in rows
    )
