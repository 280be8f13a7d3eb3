"""Handing agents over in two steps: proposed by whoever answers, accepted by whoever may transfer."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from audit.refusals import Conflict, Invalid, Problem, Stale
from audit.transitions import move, note
from registry import permissions
from registry.models import Agent, AgentTransfer, Team, User
from registry.operations.agents import transfer_agent
from registry.states import AgentState, TransferState


@transaction.atomic
def propose_transfer(*, agent: Agent, owner: User, team: Team, reason: str, by: User, now: datetime) -> AgentTransfer:
    """Propose that another person or team answers for an agent. Nothing changes until it is accepted.

    Args:
        agent: an agent that is not retired, with no open proposal.
        owner: who would answer for it; active.
        team: in whose trail it would stand; visible to `by`.
        reason: why; required.
        by: its owner, an operator of its team, an administrator.
        now: aware UTC.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to propose.
        Invalid: no reason, an inactive owner, or nothing would change.
        Conflict: the agent is retired, or a proposal is open already.
    """
    permissions.may_propose_transfer(by, agent)
    permissions.may_see_team(by, team)
    problems = []
    if not reason.strip():
        problems.append(Problem("/reason", "missing", "Say why."))
    if not owner.is_active:
        problems.append(Problem("/owner", "inactive_person", f"{owner.username} is not active."))
    if (owner.pk, team.pk) == (agent.owner_id, agent.team_id):
        problems.append(Problem("/owner", "no_change", f"{owner.username} and {team.slug} answer for it already."))
    if problems:
        raise Invalid("The transfer cannot be proposed.", errors=problems)
    if agent.state == AgentState.RETIRED:
        raise Conflict(f"{agent.slug} is retired.")
    # One that a transfer in the meantime has made void must not stand in the way of a new one.
    for old in (
        AgentTransfer.objects.open().select_related("agent__team").filter(agent=agent).exclude(epoch=agent.epoch)
    ):
        move(old, TransferState.DECLINED, by=by, now=now, details={"void": True}, fields={"closed_at": now})
    try:
        # A savepoint: a refused insert would else break the whole transaction on PostgreSQL.
        with transaction.atomic():
            proposal = AgentTransfer.objects.create(
                agent=agent,
                epoch=agent.epoch,
                owner=owner,
                team=team,
                reason=reason,
                proposed_at=now,
                proposed_by=by,
            )
    except IntegrityError as error:
        raise Conflict(f"A transfer of {agent.slug} is proposed already.") from error
    facts = {"owner": owner.username, "team": team.slug, "reason": reason}
    note(proposal, kind="transfer.proposed", by=by, now=now, outcome=TransferState.PROPOSED, details=facts)
    return proposal


@transaction.atomic
def hand_over(*, agent: Agent, owner: User, team: Team, reason: str, by: User, now: datetime) -> AgentTransfer:
    """Transfer an agent where the person may do so alone, and propose it where others have to accept.

    Returns:
        The proposal; its state says which of the two it was.

    Raises:
        Missing, Forbidden, Invalid, Conflict: as `propose_transfer` does.
    """
    proposal = propose_transfer(agent=agent, owner=owner, team=team, reason=reason, by=by, now=now)
    if permissions.operates(by, agent.team) and permissions.operates(by, team):
        accept_transfer(proposal=proposal, by=by, now=now)
    return proposal


@transaction.atomic
def accept_transfer(*, proposal: AgentTransfer, by: User, now: datetime) -> None:
    """Accept a proposal: the agent is transferred as `transfer_agent` does it.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to transfer.
        IllegalTransition: it is answered already.
        Invalid: the new owner is no longer active.
        Stale: the agent was transferred since, or somebody else answered first.
    """
    agent = Agent.objects.select_related("team", "owner").get(pk=proposal.agent_id)
    permissions.may_transfer(by, agent, proposal.team)
    if agent.epoch != proposal.epoch:
        raise Stale(f"{agent.slug} was transferred since this was proposed.")
    closed = {"closed_at": now, "closed_by": by}
    move(proposal, TransferState.ACCEPTED, by=by, now=now, fields=closed)
    transfer_agent(agent=agent, owner=proposal.owner, team=proposal.team, by=by, now=now)


@transaction.atomic
def decline_transfer(*, proposal: AgentTransfer, by: User, now: datetime, reason: str = "") -> None:
    """Decline a proposal, or take back one's own.

    Raises:
        Missing, Forbidden: not theirs to see; neither theirs to accept nor their own.
        IllegalTransition: it is answered already.
        Stale: somebody else answered first.
    """
    permissions.may_see_agent(by, proposal.agent)
    if by.pk != proposal.proposed_by_id or not by.is_active:
        permissions.may_operate(by, proposal.agent)
    closed = {"closed_at": now, "closed_by": by}
    move(proposal, TransferState.DECLINED, by=by, now=now, details={"reason": reason}, fields=closed)
