"""Commands: what an agent is told, and what it says came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction

from audit.actors import Actor, System
from audit.canonical import check
from audit.refusals import Conflict, Gone, Missing, Stale, invalid
from audit.transitions import move, note
from registry import permissions
from registry.models import Agent, Command, User
from registry.states import AgentState, CommandKind, CommandState

LIFE = timedelta(minutes=10)
LONGEST_LIFE = timedelta(days=7)
# An answer can get lost on its way: what is not acknowledged is handed out again.
REDELIVERY = timedelta(seconds=60)
LONGEST_NOTE = 2000
REPORTED = {CommandKind.START: "running", CommandKind.STOP: "stopped"}


class AgentActing(Protocol):
    """An authenticated agent (`registry.authentication.Principal`)."""

    @property
    def agent_id(self) -> int:
        """Primary key of the agent."""
        ...

    @property
    def actor(self) -> Actor:
        """The actor that the trail records."""
        ...


@transaction.atomic
def send_command(
    *,
    agent: Agent,
    kind: str,
    by: User,
    now: datetime,
    parameters: Mapping[str, Any] | None = None,
    ttl: timedelta = LIFE,
) -> Command:
    """Tell an agent to start, to stop, or to take a task.

    Args:
        agent: an agent that is not retired.
        kind: of `registry.states.CommandKind`.
        by: an operator of the team, or an administrator.
        now: aware UTC.
        parameters: what goes with it: any JSON object, no secrets.
        ttl: not acknowledged by then, it counts as expired.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to operate.
        Invalid: kind, parameters or ttl are not admitted.
        Conflict: the agent is retired, or paused and asked to start or work.
    """
    permissions.may_operate(by, agent)
    return request(agent, kind, by=by, now=now, parameters=parameters, ttl=ttl)


def request(
    agent: Agent,
    kind: str,
    *,
    by: User,
    now: datetime,
    parameters: Mapping[str, Any] | None = None,
    ttl: timedelta = LIFE,
) -> Command:
    """Add a command in the caller's transaction; `by` was checked already. Arguments as in `send_command`."""
    if kind not in CommandKind.values:
        raise invalid("/kind", "unknown_value", f"A command is one of {', '.join(CommandKind.values)}.")
    if not timedelta(0) < ttl <= LONGEST_LIFE:
        raise invalid("/ttl", "out_of_range", "A command lives up to 7 days.")
    given = dict(parameters or {})
    check(given)
    if agent.state == AgentState.RETIRED:
        raise Conflict(f"{agent.slug} is retired.")
    if agent.state == AgentState.PAUSED and kind != CommandKind.STOP:
        raise Conflict(f"{agent.slug} is paused; it can only be told to stop.")
    command = Command.objects.create(
        agent=agent, kind=kind, parameters=given, requested_at=now, requested_by=by, expires_at=now + ttl
    )
    note(command, kind="command.requested", by=by, now=now, outcome=kind, details={"ttl": int(ttl.total_seconds())})
    return command


@transaction.atomic
def fetch_commands(*, principal: AgentActing, now: datetime) -> list[Command]:
    """Hand an agent what it has not acknowledged, oldest first.

    Each command comes once, and again where a minute passed without acknowledgement: agents
    tell repetitions by the id.

    Args:
        principal: the asking agent.
        now: aware UTC.
    """
    waiting = Command.objects.select_related("agent__team").open().filter(agent_id=principal.agent_id)
    handed = []
    for command in waiting.filter(expires_at__gt=now).order_by("id"):
        if command.state == CommandState.REQUESTED:
            try:
                move(command, CommandState.DELIVERED, by=principal, now=now, fields={"delivered_at": now})
            except Stale:
                continue  # another poll of the same agent was handed it
            handed.append(command)
        elif command.delivered_at is None or command.delivered_at <= now - REDELIVERY:
            same = Command.objects.filter(
                pk=command.pk, state=CommandState.DELIVERED, delivered_at=command.delivered_at
            )
            if same.update(delivered_at=now) == 1:
                command.delivered_at = now
                note(command, kind="command.redelivered", by=principal, now=now)
                handed.append(command)
    return handed


@transaction.atomic
def acknowledge(*, principal: AgentActing, command_id: UUID, status: str, now: datetime, note: str = "") -> Command:
    """Record what an agent says came of a command; the same again changes nothing.

    Args:
        principal: the agent that the command is for.
        command_id: its id.
        status: ``succeeded`` or ``failed``.
        now: aware UTC.
        note: the agent's own words.

    Raises:
        Missing: no such command of this agent.
        Invalid: another status, or too long a note.
        Gone: its time is over.
        IllegalTransition: something else was acknowledged before.
        Stale: at the same moment, something else was.
    """
    if status not in {CommandState.SUCCEEDED, CommandState.FAILED}:
        raise invalid("/status", "unknown_value", "A status is succeeded or failed.")
    if len(note) > LONGEST_NOTE:
        raise invalid("/note", "too_long", f"A note has at most {LONGEST_NOTE} characters.")
    own = Command.objects.select_related("agent__team").filter(agent_id=principal.agent_id, pk=command_id)
    command = own.first()
    if command is None:
        raise Missing
    if command.state == status:
        return command
    is_open = command.state in {CommandState.REQUESTED, CommandState.DELIVERED}
    if command.state == CommandState.EXPIRED or (is_open and command.expires_at <= now):
        raise Gone("The command was not acknowledged in its time.")
    move(command, status, by=principal, now=now, kind=f"command.{status}", fields={"reported_at": now, "note": note})
    reported = REPORTED.get(CommandKind(command.kind))
    if reported and status == CommandState.SUCCEEDED:
        # reported_state is what the agent says of itself, outside its life's states and its history.
        Agent.objects.filter(pk=command.agent_id).update(reported_state=reported)
    return command


@transaction.atomic
def expire_commands(*, now: datetime) -> int:
    """Say of every command that was not acknowledged in its time that it expired.

    Returns:
        How many.
    """
    count = 0
    for command in Command.objects.select_related("agent__team").open().filter(expires_at__lte=now):
        try:
            move(command, CommandState.EXPIRED, by=System("expire_commands"), now=now)
        except Stale:
            continue  # acknowledged at this moment, or another worker was first
        count += 1
    return count
