"""Setting the demonstration up by the same road as everything else: operations, ``apply``, the importer."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import transaction

from controlplane import gateway
from controlplane.apply import apply_document
from registry.models import Agent, AgentKey, Team, User
from registry.operations import create_user, issue_key, revoke_key, save_team
from registry.states import KeyState, Role

HERE = Path(__file__).resolve().parent
AGENT, IMPORTED, TEAM = "demo-job-applier", "demo-n8n", "demo-talent"
PEOPLE = {"demo-lead": Role.OWNER, "demo-reviewer": Role.REVIEWER}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was set up.

    Attributes:
        key: text of a fresh key of the demonstration's agent; shown once.
        passwords: one-time password by user name, of the people created now.
        runs: how many executions were imported now.
    """

    key: str
    passwords: dict[str, str]
    runs: int


def is_loaded() -> bool:
    """Whether the demonstration is there."""
    return Agent.objects.filter(slug=AGENT).exists()


@transaction.atomic
def load(*, by: User, now: datetime) -> Loaded:
    """Set the demonstration up, or renew it.

    The demonstration's lead issues the agent's key, so that `by`, who joins the team, and the
    demonstration's reviewer are the two people who may review what it asks.

    Args:
        by: an administrator.
        now: aware UTC.

    Raises:
        Forbidden: not an administrator.
    """
    passwords = {}
    for name, role in PEOPLE.items():
        if not User.objects.filter(username=name).exists():
            passwords[name] = secrets.token_urlsafe(12)
            create_user(username=name, role=role, password=passwords[name], one_time=True, by=by, now=now)
    text = (HERE / "document.yaml").read_text(encoding="utf-8")
    apply_document(text=text, by=by, now=now, dry_run=False)
    team = Team.objects.get(slug=TEAM)
    lead = User.objects.get(username="demo-lead")
    members = [*team.members.all(), by]
    save_team(slug=TEAM, name=team.name, lead=lead, members=members, by=by, now=now)
    return Loaded(_fresh_key(lead, now), passwords, _import(by))


def _fresh_key(lead: User, now: datetime) -> str:
    """Replace the demonstration's keys: only the text of a new one can be handed to the player."""
    agent = Agent.objects.get(slug=AGENT)
    for key in AgentKey.objects.filter(agent=agent, state=KeyState.LIVE):
        revoke_key(key=key, by=lead, now=now, reason="replaced by the demonstration")
    _, text = issue_key(agent=agent, environment="production", scopes=["act", "ingest", "read:self"], by=lead, now=now)
    return text


def _import(by: User) -> int:
    executions: list[object] = []
    for path in sorted((HERE / "executions").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        executions.extend(document["data"] if isinstance(document.get("data"), list) else [document])
    agent = Agent.objects.select_related("team").get(slug=IMPORTED)
    gateway.import_executions(agent=agent, environment="production", executions=executions, by=by)
    return len(executions)
