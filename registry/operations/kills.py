"""Stopping things at once: kill switches over a scope, and containing one agent."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from audit.refusals import Conflict, Invalid, Problem
from audit.transitions import move, note
from registry import permissions
from registry.models import Agent, KillSwitch, Team, User
from registry.operations.agents import pause_agent
from registry.operations.commands import request
from registry.operations.keys import key_lock, revoke_all
from registry.states import AgentState, CommandKind, KillScope, KillState


@transaction.atomic
def kill(*, scope: str, value: str, reason: str, by: User, now: datetime) -> KillSwitch:
    """Stop every agent of a scope: asking and redeeming are refused until the switch is lifted.

    Pending approvals stay and keep expiring; agents that join the scope later are stopped too.

    Args:
        scope: of `registry.states.KillScope`.
        value: slug of the agent or team, or the tag; empty for every agent.
        reason: why; required.
        by: an administrator, or an operator of the whole scope.
        now: aware UTC.

    Raises:
        Invalid: no such scope, no value where one is needed, no reason.
        Missing, Forbidden: not theirs to see, not theirs to stop.
        Conflict: the scope is stopped already.
    """
    problems = _problems(scope, value, reason)
    if problems:
        raise Invalid("The kill switch cannot be thrown.", errors=problems)
    permissions.may_kill(by, scope, value)
    try:
        # A savepoint: a refused insert would else break the whole transaction on PostgreSQL.
        with transaction.atomic():
            switch = KillSwitch.objects.create(
                scope=scope, value=value, reason=reason, thrown_at=now, thrown_by=by, team=_team(scope, value)
            )
    except IntegrityError as error:
        raise Conflict(f"A kill switch for {scope} {value} is in force already.".replace("  ", " ")) from error
    facts = {"scope": scope, "value": value, "reason": reason}
    note(switch, kind="kill_switch.thrown", by=by, now=now, outcome=KillState.IN_FORCE, details=facts)
    return switch


@transaction.atomic
def lift(*, switch: KillSwitch, by: User, now: datetime, reason: str = "") -> None:
    """Lift a kill switch.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to lift.
        IllegalTransition: it is lifted already.
        Stale: somebody else lifted it first.
    """
    permissions.may_lift(by, switch)
    details = {"scope": switch.scope, "value": switch.value, "reason": reason}
    move(switch, KillState.LIFTED, by=by, now=now, details=details, fields={"lifted_at": now})


@transaction.atomic
def contain(*, agent: Agent, reason: str, by: User, now: datetime) -> None:
    """Contain an agent in one go: paused, its keys revoked, and told to stop.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to operate.
        IllegalTransition: it is retired.
        Stale: somebody else changed its state first.
    """
    permissions.may_operate(by, agent)
    key_lock(agent)
    if agent.state != AgentState.PAUSED:
        pause_agent(agent=agent, reason=reason, by=by, now=now)
    # Told before its keys end: the entry stands even though it can no longer fetch it with them.
    request(agent, CommandKind.STOP, by=by, now=now)
    keys = revoke_all(agent, by=by, now=now, reason=reason)
    note(agent, kind="agent.contained", by=by, now=now, details={"reason": reason, "keys": keys})


def _team(scope: str, value: str) -> Team | None:
    """Return the team in whose trail the switch belongs."""
    if scope == KillScope.AGENT:
        return Agent.objects.select_related("team").get(slug=value).team
    if scope == KillScope.TEAM:
        return Team.objects.get(slug=value)
    return None


def _problems(scope: str, value: str, reason: str) -> list[Problem]:
    problems = []
    if scope not in KillScope.values:
        detail = f"A scope is one of {', '.join(KillScope.values)}."
        problems.append(Problem("/scope", "unknown_value", detail))
    elif bool(value) == (scope == KillScope.ALL):
        detail = "Name the agent, team or tag; nothing for every agent."
        problems.append(Problem("/value", "wrong_value", detail))
    if not reason.strip():
        problems.append(Problem("/reason", "missing", "Say why."))
    return problems
