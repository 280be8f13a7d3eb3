"""Issuing and revoking agents' keys."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from audit import sql
from audit.actors import Acting
from audit.refusals import Conflict, Invalid, Problem
from audit.transitions import move, note
from registry import keys, permissions
from registry.models import Agent, AgentKey, User
from registry.states import AgentState, Environment, KeyScope, KeyState

MOST_LIVE = 2
LONGEST_DAYS = 365


@transaction.atomic
def issue_key(
    *, agent: Agent, environment: str, scopes: Collection[str], by: User, now: datetime, days: int = 90
) -> tuple[AgentKey, str]:
    """Issue a key; at most two of an agent are live in one environment, so that one can replace the other.

    Args:
        agent: an agent that is not retired.
        environment: of `registry.states.Environment`.
        scopes: of `registry.states.KeyScope`, at least one.
        by: an operator of the team, the owner, an administrator.
        now: aware UTC.
        days: how long it lives.

    Returns:
        The row, and the key's text, which exists nowhere else from then on.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to issue keys of.
        Invalid: environment, scopes or days are not admitted, with pointers.
        Conflict: two keys are live, or the agent is retired.
    """
    permissions.may_issue_keys(by, agent)
    problems = _problems(environment, scopes, days)
    if problems:
        raise Invalid("The key cannot be issued.", errors=problems)
    key_lock(agent)
    agent.refresh_from_db(fields=["state"])
    if agent.state == AgentState.RETIRED:
        raise Conflict(f"{agent.slug} is retired.")
    if AgentKey.objects.live(now).filter(agent=agent, environment=environment).count() >= MOST_LIVE:
        raise Conflict(f"{agent.slug} has {MOST_LIVE} live keys in {environment}; revoke one first.")
    pepper_id, pepper = next(iter(settings.KEY_PEPPERS.items()))
    token, text = keys.mint()
    key = AgentKey.objects.create(
        public_id=token.public_id,
        agent=agent,
        environment=environment,
        scopes=[scope for scope in KeyScope.values if scope in scopes],
        mac=keys.mac(token, pepper=pepper),
        pepper_id=pepper_id,
        issued_at=now,
        issued_by=by,
        expires_at=now + timedelta(days=days),
    )
    facts = {"environment": environment, "scopes": key.scopes, "expires_at": key.expires_at.isoformat()}
    note(key, kind="key.issued", by=by, now=now, details=facts)
    return key, text


@transaction.atomic
def revoke_key(*, key: AgentKey, by: Acting, now: datetime, reason: str = "") -> None:
    """Revoke a key: its very next call is refused.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to revoke.
        IllegalTransition: it is revoked already.
        Stale: somebody else revoked it first.
    """
    permissions.may_issue_keys(by, key.agent)
    move(key, KeyState.REVOKED, by=by, now=now, details={"reason": reason})


def revoke_all(agent: Agent, *, by: Acting, now: datetime, reason: str = "") -> int:
    """Revoke every key of an agent; `by` was checked already and the key lock is held.

    Returns:
        How many there were.
    """
    live = list(AgentKey.objects.select_related("agent__team").filter(agent=agent, state=KeyState.LIVE))
    for key in live:
        move(key, KeyState.REVOKED, by=by, now=now, details={"reason": reason})
    return len(live)


def key_lock(agent: Agent) -> None:
    """Let one transaction at a time issue keys of an agent, or revoke all of them.

    A lock of its own: one on the agent's row would hold up the agent's decisions.
    """
    sql.advisory_lock(f"registry.keys.{agent.pk}")


def _problems(environment: str, scopes: Collection[str], days: int) -> list[Problem]:
    problems = []
    if environment not in Environment.values:
        detail = f"An environment is one of {', '.join(Environment.values)}."
        problems.append(Problem("/environment", "unknown_value", detail))
    unknown = sorted(set(scopes) - set(KeyScope.values))
    if unknown or not scopes:
        detail = f"Scopes are one or more of {', '.join(KeyScope.values)}."
        problems.append(Problem("/scopes", "unknown_value", detail))
    if not 1 <= days <= LONGEST_DAYS:
        problems.append(Problem("/days", "out_of_range", f"A key lives 1 to {LONGEST_DAYS} days."))
    return problems
