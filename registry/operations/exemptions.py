"""Letting single agents out of a kill switch while it stays in force for all others."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from audit import sql
from audit.refusals import Conflict, invalid
from audit.transitions import note
from registry import permissions
from registry.models import Agent, KillExemption, KillSwitch, User
from registry.operations.agents import agent_lock
from registry.states import KillScope, KillState


@transaction.atomic
def let_out(*, switch: KillSwitch, agent: Agent, reason: str, by: User, now: datetime) -> KillExemption:
    """Let one agent out of a kill switch: its very next ask is judged as if the switch were not there.

    Other switches, and a pause of the agent itself, still hold it.

    Args:
        switch: in force, over more than this agent.
        agent: an agent that the switch stops.
        reason: why; required.
        by: whoever may lift the switch: an administrator, or an operator of its whole scope.
        now: aware UTC.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to lift.
        Invalid: no reason.
        Conflict: the switch is lifted, stops this agent alone, does not stop it, or it is out already.
    """
    permissions.may_lift(by, switch)
    permissions.may_see_agent(by, agent)
    if not reason.strip():
        raise invalid("/reason", "missing", "Say why.")
    # Asks hold this lock shared: those under way end first, every later one sees the exemption.
    sql.advisory_lock(agent_lock(agent.pk))
    switch.refresh_from_db(fields=["state"])
    if switch.state != KillState.IN_FORCE:
        raise Conflict("The kill switch is lifted already.")
    if switch.scope == KillScope.AGENT:
        raise Conflict("The switch stops this agent alone; lift it instead.")
    if not covers(switch, agent):
        raise Conflict(f"The switch does not stop {agent.slug}.")
    try:
        # A savepoint: a refused insert would else break the whole transaction on PostgreSQL.
        with transaction.atomic():
            exemption = KillExemption.objects.create(
                switch=switch, agent=agent, reason=reason, let_out_at=now, let_out_by=by
            )
    except IntegrityError as error:
        raise Conflict(f"{agent.slug} is let out already.") from error
    facts = {"scope": switch.scope, "value": switch.value, "reason": reason}
    note(exemption, kind="kill_switch.let_out", by=by, now=now, outcome="let_out", details=facts)
    return exemption


@transaction.atomic
def put_back(*, exemption: KillExemption, by: User, now: datetime, reason: str = "") -> None:
    """Put an agent back under a kill switch: its very next ask is refused again.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to lift.
        Conflict: somebody else did it first.
    """
    permissions.may_lift(by, exemption.switch)
    sql.advisory_lock(agent_lock(exemption.agent_id))
    # Named before it goes: the entry's ids come from the row.
    facts = {"scope": exemption.switch.scope, "value": exemption.switch.value, "reason": reason}
    if not KillExemption.objects.filter(pk=exemption.pk).delete()[0]:
        raise Conflict(f"{exemption.agent.slug} is back under the switch already.")
    note(exemption, kind="kill_switch.put_back", by=by, now=now, outcome="put_back", details=facts)


def covers(switch: KillSwitch, agent: Agent) -> bool:
    """Say whether an agent lies in a switch's scope (pure, team read with the agent)."""
    return (
        switch.scope == KillScope.ALL
        or (switch.scope == KillScope.AGENT and switch.value == agent.slug)
        or (switch.scope == KillScope.TEAM and switch.value == agent.team.slug)
        or (switch.scope == KillScope.TAG and switch.value in agent.tags)
    )
