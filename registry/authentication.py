"""From a key's text to who stands behind it: one query, and none for what cannot be a key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from audit import sql
from audit.actors import Actor
from registry import keys
from registry.operations.use import PRECISION, note_use
from registry.states import AgentState, KeyState

_QUERY = """
SELECT k.id, k.mac, k.pepper_id, k.state, k.expires_at, k.scopes, k.environment, k.issued_by_id,
       k.last_used_at, a.id, a.slug, a.state, t.id, t.slug
FROM registry_agentkey k
JOIN registry_agent a ON a.id = k.agent_id
JOIN registry_team t ON t.id = a.team_id
WHERE k.public_id = %s
"""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated key.

    Attributes:
        key_id: primary key of the key.
        public_id: its public id, for the trail.
        agent_id: primary key of the agent.
        agent: its slug.
        team_id: primary key of the agent's team.
        team: its slug.
        environment: of `registry.states.Environment`.
        scopes: of `registry.states.KeyScope`.
        issued_by_id: primary key of the person who issued the key; they may not vote on what it asks.
    """

    key_id: int
    public_id: str
    agent_id: int
    agent: str
    team_id: int
    team: str
    environment: str
    scopes: frozenset[str]
    issued_by_id: int

    @property
    def actor(self) -> Actor:
        """The agent as the trail records it."""
        return Actor(type="agent", id=self.agent, token=self.public_id)


def authenticate(text: str, *, now: datetime) -> Principal | None:
    """Find who a key belongs to.

    A paused agent is still authenticated: whether it may act is decided, and recorded, later.

    Args:
        text: what the caller sent as its key.
        now: aware UTC.

    Returns:
        The principal; None alike for a malformed, unknown, expired or revoked key and for a
        retired agent.
    """
    token = keys.parse(text)
    if token is None:
        return None
    # Raw SQL: every call of every agent starts here, and needs three tables at once.
    with sql.cursor() as cursor:
        cursor.execute(_QUERY, [token.public_id])
        row: tuple[Any, ...] | None = cursor.fetchone()
    sql.answered()
    if row is None:
        keys.matches(token, stored=keys.NO_MAC, pepper_id="", peppers=settings.KEY_PEPPERS)
        return None
    (key_id, mac, pepper_id, state, expires_at, scopes, environment, issued_by_id) = row[:8]
    (last_used_at, agent_id, agent, agent_state, team_id, team) = row[8:]
    genuine = keys.matches(token, stored=mac, pepper_id=pepper_id, peppers=settings.KEY_PEPPERS)
    if not genuine or state != KeyState.LIVE or sql.read_stamp(expires_at) <= now:
        return None
    if agent_state == AgentState.RETIRED:
        return None
    if last_used_at is None or sql.read_stamp(last_used_at) < now - PRECISION:
        note_use(key_id=key_id, agent_id=agent_id, now=now)
    return Principal(
        key_id=key_id,
        public_id=token.public_id,
        agent_id=agent_id,
        agent=agent,
        team_id=team_id,
        team=team,
        environment=environment,
        scopes=frozenset(json.loads(scopes) if isinstance(scopes, str) else scopes),
        issued_by_id=issued_by_id,
    )
