"""Grants: issued, redeemed once, closed by an outcome."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.models import Grant
from approvals.operations.afterwards import remember_destinations
from approvals.permissions import may_revoke
from approvals.refusals import OutcomeConflict
from approvals.states import GrantState
from audit import sql
from audit.actors import Acting
from audit.ids import new_id
from audit.operations import record
from audit.refusals import Forbidden
from audit.transitions import move
from registry.models import Team, User

GRANT_LIFE = timedelta(minutes=15)
HANDED_OVER_LIFE = timedelta(seconds=60)
OUTCOME_WITHIN = timedelta(hours=24)

_COLUMNS = (
    "id", "decision_id", "approval_id", "agent_id", "executor_id", "agent_epoch", "team", "state", "digest",
    "issued_at", "expires_at", "redeem_key", "redeemed_at", "outcome_due_at", "outcome_note", "result_digest",
)  # fmt: skip
_INSERT = f"INSERT INTO approvals_grant ({', '.join(_COLUMNS)}) VALUES ({sql.placeholders(len(_COLUMNS))})"  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrant:
    """A grant about to be written; `approvals.models.Grant` explains the fields.

    Attributes:
        agent: slug of the asking agent, for the trail.
        state: ``issued``, or ``redeemed`` where the asker itself acts at once.
        life: how long it may be redeemed.
    """

    decision_id: UUID
    approval_id: UUID | None
    agent_id: int
    agent: str
    executor_id: int
    agent_epoch: int
    team: str
    state: GrantState
    digest: str
    life: timedelta


@dataclass(frozen=True, slots=True)
class Issued:
    """What the answer says of a grant just written."""

    id: UUID
    state: str
    expires_at: datetime


def write_grant(*, new: NewGrant, by: Acting, now: datetime) -> Issued:
    """Write a grant, in the caller's transaction.

    A grant born redeemed is part of its decision's entry; an issued one has an entry of its own.

    Args:
        new: the grant.
        by: the asking agent, or the person whose vote completed the quorum.
        now: aware UTC.
    """
    grant_id = new_id()
    born_redeemed = new.state == GrantState.REDEEMED
    expires_at = now + new.life
    # Raw SQL: every allowed action writes one.
    with sql.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                grant_id.hex, new.decision_id.hex, sql.key(new.approval_id), new.agent_id, new.executor_id,
                new.agent_epoch, new.team, str(new.state), new.digest, sql.stamp(now), sql.stamp(expires_at),
                "", sql.stamp(now if born_redeemed else None),
                sql.stamp(now + OUTCOME_WITHIN if born_redeemed else None), "", "",
            ],
        )  # fmt: skip
    if not born_redeemed:
        record(
            kind="grant.issued",
            object_type="grant",
            object_id=str(grant_id),
            by=by,
            now=now,
            team=new.team,
            agent=new.agent,
            outcome=new.state,
            after=new.digest,
            details={"decision": str(new.decision_id)},
        )
    return Issued(grant_id, str(new.state), expires_at)


def redeem_grant(*, grant: Grant, key: str, by: Acting, now: datetime, details: dict[str, Any]) -> None:
    """Use a grant up: one conditional UPDATE; the gateway has checked everything else under its locks.

    Raises:
        Stale: somebody else used it first.
    """
    move(
        grant,
        GrantState.REDEEMED,
        by=by,
        now=now,
        details=details,
        fields={"redeem_key": key, "redeemed_at": now, "outcome_due_at": now + OUTCOME_WITHIN},
    )


def report_outcome(*, grant: Grant, succeeded: bool, note: str, result_digest: str, by: Acting, now: datetime) -> bool:
    """Close a redeemed grant, once.

    Args:
        grant: read in this transaction.
        succeeded: what came of it.
        note: the executor's own words.
        result_digest: digest of the result, if the executor has one.
        by: the executor.
        now: aware UTC.

    Returns:
        False where the same outcome had been reported before.

    Raises:
        OutcomeConflict: another outcome stands, or nothing was redeemed.
        Stale: another report came first.
    """
    to = GrantState.SUCCEEDED if succeeded else GrantState.FAILED
    if grant.state in {GrantState.SUCCEEDED, GrantState.FAILED}:
        if grant.state == to and (grant.outcome_note, grant.result_digest) == (note, result_digest):
            return False
        raise OutcomeConflict(f"The outcome {grant.state} was reported before.")
    if grant.state != GrantState.REDEEMED:
        raise OutcomeConflict(f"The grant is {grant.state}.")
    move(
        grant,
        to,
        by=by,
        now=now,
        fields={"outcome_note": note, "result_digest": result_digest, "closed_at": now},
        details={"result_digest": result_digest},
    )
    if succeeded:
        remember_destinations(grant=grant, now=now)
    return True


@transaction.atomic
def settle_unknown(*, grant: Grant, succeeded: bool, reason: str, by: User, now: datetime) -> None:
    """Let a person say what came of an action whose executor never reported.

    Raises:
        Forbidden: not an operator of the team.
        IllegalTransition, Stale: the outcome is known.
    """
    if not Team.objects.operated_by(by).filter(slug=grant.team).exists():
        raise Forbidden("Operators of the team settle unknown outcomes.")
    to = GrantState.SUCCEEDED if succeeded else GrantState.FAILED
    move(grant, to, by=by, now=now, fields={"closed_at": now}, details={"reason": reason})
    if succeeded:
        remember_destinations(grant=grant, now=now)


@transaction.atomic
def revoke_grant(*, grant: Grant, reason: str, by: Acting, now: datetime) -> None:
    """Void an issued grant.

    Raises:
        Forbidden: a person who is none of its approvers and does not operate the team.
        IllegalTransition, Stale: it is no longer issued.
    """
    if isinstance(by, User) and not may_revoke(grant, by):
        raise Forbidden("Its approvers, operators of the team and administrators revoke a grant.")
    move(grant, GrantState.REVOKED, by=by, now=now, fields={"closed_at": now}, details={"reason": reason})


@transaction.atomic
def expire_grant(*, grant: Grant, by: Acting, now: datetime) -> None:
    """Write down that a grant was not redeemed in time; safety never waits for this.

    Raises:
        IllegalTransition, Stale: it is no longer issued.
    """
    move(grant, GrantState.EXPIRED, by=by, now=now, fields={"closed_at": now})


@transaction.atomic
def mark_silent(*, grant: Grant, by: Acting, now: datetime) -> None:
    """Write down that nobody reported what came of it; never an automatic retry.

    Raises:
        IllegalTransition, Stale: it is no longer redeemed.
    """
    move(grant, GrantState.OUTCOME_UNKNOWN, by=by, now=now)
