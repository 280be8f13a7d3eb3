"""Taking a pause back at once."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit import sql
from audit.actors import Acting
from audit.undoing import require_untouched
from registry import permissions
from registry.models import Agent
from registry.operations.agents import agent_lock, resume_agent


@transaction.atomic
def undo_pause(*, agent: Agent, done_at: datetime, by: Acting, now: datetime) -> None:
    """Let an agent that was paused a moment ago ask again, if nobody did anything else to it since.

    It takes the right to resume: an owner pauses, and has that undone by an operator.

    Args:
        agent: the agent.
        done_at: the `now` of the pause.
        by: who paused it.
        now: aware UTC.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to resume.
        Gone: the ten seconds are over.
        Conflict: something else was done to it in between.
    """
    permissions.may_operate(by, agent)
    # Whoever else pauses or resumes it waits, so that what is read of the trail stays so.
    sql.advisory_lock(agent_lock(agent.pk))
    require_untouched(agent, done_at=done_at, by=by, now=now)
    resume_agent(agent=agent, reason="The pause was undone.", by=by, now=now)
