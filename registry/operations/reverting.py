"""Going back to what an agent or a verb was, through the operations that change them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import transaction

from audit.refusals import Missing
from audit.transitions import note
from registry import permissions
from registry.models import Agent, User, Verb
from registry.operations.agents import agent_facts, hold_agents, save_agent
from registry.operations.verbs import save_verb

# Status, team, owner, tags and capabilities never come back from history: they decide who may do what.
REVERTED: Final = ("name", "purpose", "data_scopes", "enforcement")


@transaction.atomic
def revert_agent(*, agent: Agent, record_id: int, by: User, now: datetime) -> bool:
    """Give an agent the name, purpose, data scopes and enforcement of an earlier time.

    Args:
        agent: an agent that is not retired.
        record_id: of its history.
        by: an operator of the team, or an administrator.
        now: aware UTC.

    Returns:
        Whether anything changed.

    Raises:
        Missing, Forbidden: not theirs to see, no such record of this agent, not theirs to configure.
        Conflict: the agent is retired.
    """
    permissions.may_configure(by, agent)
    record: Any = Agent.history.filter(id=agent.pk, history_id=record_id).first()
    if record is None:
        raise Missing
    # What is not reverted stays as it is, and not as it was when the page was opened.
    hold_agents()
    agent = Agent.objects.select_related("owner", "team").get(pk=agent.pk)
    facts = agent_facts(agent) | {name: getattr(record, name) for name in REVERTED}
    facts |= {"owner": agent.owner, "team": agent.team}
    _, changed = save_agent(slug=agent.slug, by=by, now=now, **facts)
    if changed:
        details = {"record": record_id, "of": record.history_date.isoformat(), "fields": list(REVERTED)}
        note(agent, kind="agent.reverted", by=by, now=now, details=details)
    return changed


@transaction.atomic
def revert_verb(*, verb: Verb, record_id: int, by: User, now: datetime) -> bool:
    """Give a verb the entry of an earlier time.

    Returns:
        Whether anything changed.

    Raises:
        Missing: no such record of this verb.
        Forbidden: not theirs to change the catalogue.
        Invalid: the entry is no longer admitted.
    """
    permissions.may_change_verbs(by)
    record: Any = Verb.history.filter(id=verb.pk, history_id=record_id).first()
    if record is None:
        raise Missing
    changed = save_verb(name=verb.name, spec=record.spec, by=by, now=now)
    if changed:
        details = {"record": record_id, "of": record.history_date.isoformat()}
        note(verb, kind="verb.reverted", by=by, now=now, details=details)
    return changed
