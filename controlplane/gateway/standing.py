"""What is true of an agent now: read in the caller's transaction, in one statement."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from audit import sql
from audit.refusals import Unauthenticated
from policies.facts import Subject
from registry.models import KillSwitch
from registry.operations import agent_lock
from registry.states import KillScope

_COLUMNS = """
SELECT a.id, a.slug, a.team_id, t.slug, a.state, a.epoch, a.capabilities, a.data_scopes, a.tags,
       v.id, v.number, COALESCE(p.number, 0), COALESCE(p.digest, ''),
       COALESCE((SELECT c.revision FROM registry_catalogue c WHERE c.id = 1), 0),
       EXISTS (SELECT 1 FROM registry_killswitch s WHERE s.state = 'in_force')
"""
_JOINS = """
JOIN registry_team t ON t.id = a.team_id
LEFT JOIN registry_release r ON r.agent_id = a.id AND r.environment = %s AND r.state = 'live'
LEFT JOIN registry_agentversion v ON v.id = r.version_id
LEFT JOIN policies_revision p ON p.state = 'published'
"""
_ASKING = """, k.state, k.expires_at, k.issued_by_id,
       (SELECT d.id FROM policies_decision d WHERE d.agent_id = a.id AND d.idempotency_key = %s)
FROM registry_agent a JOIN registry_agentkey k ON k.agent_id = a.id
"""
_BY_KEY = f"{_COLUMNS}{_ASKING}{_JOINS} WHERE k.id = %s"
_BY_AGENT = f"{_COLUMNS} FROM registry_agent a {_JOINS} WHERE a.id = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An agent, its live release and the revisions in force.

    Attributes:
        version: number of the version live in the environment; None where nothing is released.
        policy_revision: number of the published policy set, 0 for none.
        policy_digest: digest of its document.
        catalogue: revision of what compiled policies depend on besides.
        kill: text naming the kill switch in force, or None.
        issued_by_id: who issued the asking key; 0 where no key was read.
        earlier: the decision that the idempotency key was answered with before.
    """

    agent_id: int
    agent: str
    team_id: int
    team: str
    environment: str
    state: str
    epoch: int
    capabilities: frozenset[str]
    data_scopes: frozenset[str]
    tags: frozenset[str]
    version_id: int | None
    version: int | None
    policy_revision: int
    policy_digest: str
    catalogue: int
    kill: str | None
    issued_by_id: int
    earlier: UUID | None

    def subject(self) -> Subject:
        """Return the facts that the engine judges by."""
        return Subject(
            agent=self.agent,
            team=self.team,
            tags=self.tags,
            environment=self.environment,
            capabilities=self.capabilities,
            data_scopes=self.data_scopes,
            state=self.state,
            kill=self.kill,
            released=self.version is not None,
        )


def by_key(*, agent_id: int, key_id: int, environment: str, idempotency_key: str, now: datetime) -> Standing:
    """Read the standing of a key's agent; the key itself is looked at again.

    On PostgreSQL the agent stays locked shared, so that a pause waits for the asks under way and
    every later ask sees it.

    Raises:
        Unauthenticated: the key was revoked or has expired since it was authenticated.
    """
    # One round trip; each statement still sees what was committed when it began, the second after the lock.
    with sql.together():
        sql.shared_lock(agent_lock(agent_id))
        row = _one(_BY_KEY, [idempotency_key, environment, key_id])
    if row is None or row[15] != "live" or sql.read_stamp(row[16]) <= now:
        raise Unauthenticated
    earlier = sql.read_key(row[18]) if row[18] else None
    return _standing(row, environment=environment, issued_by_id=row[17], earlier=earlier)


def by_agent(*, agent_id: int, environment: str, lock: bool = True) -> Standing:
    """Read the standing of an agent for what was granted to it before."""
    if lock:
        sql.shared_lock(agent_lock(agent_id))
    row = _one(_BY_AGENT, [environment, agent_id])
    if row is None:
        raise Unauthenticated
    return _standing(row, environment=environment, issued_by_id=0, earlier=None)


def _one(statement: str, parameters: list[Any]) -> Any:
    # A cursor of its own: in one round trip with the lock, a shared one would answer with the lock's row first.
    with sql.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()


def _standing(row: Any, *, environment: str, issued_by_id: int, earlier: UUID | None) -> Standing:
    tags = _names(row[8])
    return Standing(
        agent_id=row[0],
        agent=row[1],
        team_id=row[2],
        team=row[3],
        environment=environment,
        state=row[4],
        epoch=row[5],
        capabilities=_names(row[6]),
        data_scopes=_names(row[7]),
        tags=tags,
        version_id=row[9],
        version=row[10],
        policy_revision=row[11],
        policy_digest=row[12],
        catalogue=row[13],
        kill=_kill(row[0], row[1], row[3], tags) if row[14] else None,
        issued_by_id=issued_by_id,
        earlier=earlier,
    )


def _names(value: Any) -> frozenset[str]:
    # A raw cursor gets a JSON column as text from both drivers.
    return frozenset(json.loads(value) if isinstance(value, str | bytes) else value)


def _kill(agent_id: int, agent: str, team: str, tags: frozenset[str]) -> str | None:
    """Name the widest kill switch in force over an agent, of those that it was not let out of."""
    # Asks hold the agent's lock, and whoever lets it out or puts it back takes that lock alone.
    for switch in KillSwitch.objects.in_force().exclude(exemptions__agent=agent_id).order_by("thrown_at"):
        hit = (
            switch.scope == KillScope.ALL
            or (switch.scope == KillScope.AGENT and switch.value == agent)
            or (switch.scope == KillScope.TEAM and switch.value == team)
            or (switch.scope == KillScope.TAG and switch.value in tags)
        )
        if hit:
            return f"{switch.scope} {switch.value}".strip()
    return None
