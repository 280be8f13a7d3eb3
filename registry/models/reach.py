"""Which rows of the large tables a person works with."""

from __future__ import annotations

from django.db.models import Q, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import In

from registry.models.agents import Agent
from registry.models.people import Team, User


def within_reach(user: User, *, agent: str = "agent_id") -> Q:
    """Return the condition for rows of a person's operated teams (as they were then) and of owned agents.

    The rows have a column ``team`` with the team's slug of that time, and the agent's key. Both are wrapped, so that
    no index serves the alternative: SQLite would fetch and sort everything that either index finds for one page of
    fifty rows. As it is, it walks the page's own order and stops.

    Args:
        user: an active person who does not see everything.
        agent: the column of the agent's key.
    """
    teams = Team.objects.operated_by(user).values("slug")
    owned = Agent.objects.filter(owner=user).values("pk")
    return Q(In(Coalesce("team", Value("")), teams.query)) | Q(In(Coalesce(agent, Value(0)), owned.query))
