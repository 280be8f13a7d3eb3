"""Agents that have gone quiet."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Coalesce

from audit import sql
from audit.actors import System
from audit.models import Entry
from audit.transitions import note
from registry.models import Agent
from registry.states import AgentState

SILENT = timedelta(days=7)
DORMANT = timedelta(days=30)
_BY = System("dormant_check")


@transaction.atomic
def note_quiet_agents(*, now: datetime) -> int:
    """Record once of each agent that it is silent (7 days), and once that it is dormant (30 days).

    Time runs from its last call, or from its registration; another call starts it anew.

    Args:
        now: aware UTC.

    Returns:
        How many entries were written.
    """
    # Two checks at once would both find nothing written yet.
    sql.advisory_lock("registry.dormant_check")
    heard = Coalesce("last_seen_at", "created_at")
    quiet = Agent.objects.select_related("team").exclude(state=AgentState.RETIRED).alias(heard=heard)
    count = 0
    for agent in quiet.filter(heard__lte=now - SILENT):
        since = agent.last_seen_at or agent.created_at
        kind = "agent.dormant" if since <= now - DORMANT else "agent.silent"
        if not Entry.objects.about("agent", agent.slug).since(since).filter(kind=kind).exists():
            note(agent, kind=kind, by=_BY, now=now, details={"since": since.isoformat()})
            count += 1
    return count
