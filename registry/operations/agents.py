"""Agents: registering and configuring them, and their life."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from audit import sql
from audit.actors import Acting
from audit.canonical import digest
from audit.refusals import Conflict, Invalid, Problem, Stale, invalid
from audit.transitions import move, note
from registry import permissions
from registry.documents import SLUG as LABEL
from registry.history import save_configured
from registry.models import Agent, Team, User
from registry.models.people import SLUG
from registry.operations.keys import key_lock, revoke_all
from registry.operations.versions import release_first
from registry.states import AgentState, Capability, Enforcement

_LONGEST_NAME = 120
_LONGEST_PURPOSE = 4000
_MOST_LABELS = 50


@transaction.atomic
def save_agent(
    *,
    slug: str,
    name: str,
    owner: User,
    team: Team,
    by: User,
    now: datetime,
    purpose: str = "",
    capabilities: Collection[str] = (),
    data_scopes: Collection[str] = (),
    tags: Collection[str] = (),
    enforcement: str = Enforcement.ADVISORY,
    seen: str = "",
    fresh: bool = False,
) -> tuple[Agent, bool]:
    """Register an agent, or change its configuration.

    A new agent gets version 1 with an empty definition, live in every environment. Another
    owner or team makes the change a transfer as well.

    Args:
        slug: lower-case letters, digits, hyphens; stays for ever.
        name: for people.
        owner: the person who answers for it.
        team: the team in whose trail it stands.
        by: an operator of the team, or an administrator.
        now: aware UTC.
        purpose: what it is for.
        capabilities: of `registry.states.Capability`.
        data_scopes: names of the data it may touch.
        tags: labels that policies and kill switches select by.
        enforcement: of `registry.states.Enforcement`.
        seen: digest of the configuration that was read before, of `agent_digest`; empty: whatever it is.
        fresh: whether it must not exist yet.

    Returns:
        The agent, and whether anything changed.

    Raises:
        Invalid: a value is not admitted, with pointers.
        Missing: an agent of that name exists and is not theirs to see.
        Forbidden: they see it and may not do this, or it would leave a kill switch that is not theirs to lift.
        Conflict: the agent is retired, or it exists and must not.
        Stale: it is not what was seen any more.
    """
    new = {
        "name": name,
        "owner": owner.username,
        "team": team.slug,
        "purpose": purpose,
        "capabilities": [str(item) for item in Capability.values if item in capabilities],
        "data_scopes": sorted(set(data_scopes)),
        "tags": sorted(set(tags)),
        "enforcement": str(enforcement),
    }
    problems = [*_slug_problems(slug), *_problems(new, capabilities)]
    if problems:
        raise Invalid("The agent cannot be saved.", errors=problems)
    hold_agents()
    agent = Agent.objects.select_related("team", "owner").filter(slug=slug).first()
    if agent is None:
        permissions.may_register(by, team)
        _require_active(owner)
        agent = Agent(slug=slug, owner=owner, team=team, created_at=now)
        _configure(agent, new, by=by, now=now)
        note(agent, kind="agent.registered", by=by, now=now, after=_digest(new), details=new)
        release_first(agent, by=by, now=now)
        return agent, True
    if fresh:
        # Slugs are unique over all teams, so whoever registers has to hear that one is taken.
        permissions.may_register(by, team)
        raise Conflict(f"An agent named {slug} exists already.")
    permissions.may_see_agent(by, agent)
    old = agent_facts(agent)
    if seen and seen != _digest(old):
        raise Stale(f"Somebody else changed {slug} in the meantime.")
    if old == new:
        return agent, False
    if agent.state == AgentState.RETIRED:
        raise Conflict(f"{slug} is retired.")
    moved = (old["owner"], old["team"]) != (new["owner"], new["team"])
    rest = {name for name in new if name not in {"owner", "team"} and old[name] != new[name]}
    if rest:
        permissions.may_configure(by, agent)
        permissions.may_take_out(by, agent, team=agent.team.slug, tags=new["tags"])
    if moved:
        transfer_agent(agent=agent, owner=owner, team=team, by=by, now=now)
    if rest:
        _configure(agent, new, by=by, now=now)
        changed = {name: {"from": old[name], "to": new[name]} for name in sorted(rest)}
        note(agent, kind="agent.changed", by=by, now=now, before=_digest(old), after=_digest(new), details=changed)
    return agent, True


@transaction.atomic
def transfer_agent(*, agent: Agent, owner: User, team: Team, by: Acting, now: datetime) -> None:
    """Give an agent to another owner or team: its epoch rises, which voids what was granted before.

    Raises:
        Missing: the agent is not theirs to see.
        Forbidden: they do not operate both teams, or it would leave a kill switch that is not theirs to lift.
        Invalid: the new owner is not active.
        Conflict: the agent is retired.
        Stale: somebody else changed it first.
    """
    permissions.may_transfer(by, agent, team)
    permissions.may_take_out(by, agent, team=team.slug, tags=agent.tags)
    hold_agents()
    if owner.pk != agent.owner_id:
        _require_active(owner)
    if agent.state == AgentState.RETIRED:
        raise Conflict(f"{agent.slug} is retired.")
    old = {"owner": agent.owner.username, "team": agent.team.slug, "epoch": agent.epoch}
    # The guard: two transfers at once cannot both start from the same epoch.
    same = Agent.objects.filter(pk=agent.pk, epoch=agent.epoch)
    if same.update(epoch=F("epoch") + 1) != 1:
        raise Stale(f"{agent.slug} was transferred in the meantime.")
    agent.refresh_from_db()
    agent.owner, agent.team = owner, team
    sql.advisory_lock(agent_lock(agent.pk))
    save_configured(agent, by=by, now=now, fields=("owner", "team"))
    new = {"owner": owner.username, "team": team.slug, "epoch": agent.epoch}
    note(agent, kind="agent.transferred", by=by, now=now, details={"from": old, "to": new})


@transaction.atomic
def pause_agent(*, agent: Agent, reason: str, by: Acting, now: datetime) -> None:
    """Pause an agent: its very next ask or redeem is refused; ingest stays open.

    Args:
        agent: an active agent.
        reason: shown to people and kept in the trail.
        by: an operator of the team, the owner, an administrator, or the installation (a spent budget).
        now: aware UTC.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to pause.
        IllegalTransition: it is not active.
        Stale: somebody else changed its state first.
    """
    permissions.may_pause(by, agent)
    _move(agent, AgentState.PAUSED, reason=reason, by=by, now=now)


@transaction.atomic
def resume_agent(*, agent: Agent, by: Acting, now: datetime, reason: str = "") -> None:
    """Let a paused agent ask again.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to operate (an owner pauses, and does not resume).
        IllegalTransition: it is not paused.
        Stale: somebody else changed its state first.
    """
    permissions.may_operate(by, agent)
    _move(agent, AgentState.ACTIVE, reason=reason, kind="agent.resumed", by=by, now=now)


@transaction.atomic
def retire_agent(*, agent: Agent, reason: str, by: Acting, now: datetime) -> None:
    """End an agent's life for good and revoke its keys; its records stay.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to operate.
        IllegalTransition: it is retired already.
        Stale: somebody else changed its state first.
    """
    permissions.may_operate(by, agent)
    key_lock(agent)
    _move(agent, AgentState.RETIRED, reason=reason, by=by, now=now)
    revoke_all(agent, by=by, now=now)


def agent_facts(agent: Agent) -> dict[str, Any]:
    """Return an agent's configuration in normal form: what `save_agent` compares, and exports write."""
    return {
        "name": agent.name,
        "owner": agent.owner.username,
        "team": agent.team.slug,
        "purpose": agent.purpose,
        "capabilities": agent.capabilities,
        "data_scopes": agent.data_scopes,
        "tags": agent.tags,
        "enforcement": str(agent.enforcement),
    }


def agent_digest(agent: Agent) -> str:
    """Return the digest of an agent's configuration, as its entries in the trail name it."""
    return _digest(agent_facts(agent))


def hold_agents() -> None:
    """Keep everybody else from configuring or transferring agents until the transaction ends; asks do not wait for it.

    Taken before the lock of any one agent, and after that of teams (`registry.operations.rights.hold_teams`).
    """
    sql.advisory_lock("registry.agents")


def agent_lock(agent_id: int) -> str:
    """Return the name of an agent's lock: asks hold it shared, whoever changes what they read holds it alone.

    Taken after the lock of its keys, where both are.
    """
    return f"registry.agent.{agent_id}"


def _configure(agent: Agent, new: dict[str, Any], *, by: Acting, now: datetime) -> None:
    sql.advisory_lock(agent_lock(agent.pk))
    fields = ("name", "purpose", "capabilities", "data_scopes", "tags", "enforcement")
    for field in fields:
        setattr(agent, field, new[field])
    # Only these: a pause that commits meanwhile must not be undone by an old state in memory.
    save_configured(agent, by=by, now=now, fields=fields)


def _move(agent: Agent, to: str, *, reason: str, by: Acting, now: datetime, kind: str = "") -> None:
    sql.advisory_lock(agent_lock(agent.pk))
    move(agent, to, kind=kind, by=by, now=now, details={"reason": reason}, fields={"state_reason": reason})


def _require_active(owner: User) -> None:
    if not owner.is_active:
        raise invalid("/owner", "inactive_person", f"{owner.username} is not active.")


def _digest(configuration: dict[str, Any]) -> str:
    return digest("acp.agent.v1", configuration)


def _slug_problems(slug: str) -> list[Problem]:
    try:
        SLUG(slug)
    except ValidationError:
        detail = "An agent's slug has lower-case letters, digits and hyphens, at most 64."
        return [Problem("/slug", "invalid_name", detail)]
    return []


def _problems(new: dict[str, Any], capabilities: Collection[str]) -> list[Problem]:
    problems = []
    if not new["name"].strip() or len(new["name"]) > _LONGEST_NAME:
        problems.append(Problem("/name", "invalid_name", f"A name has 1 to {_LONGEST_NAME} characters."))
    if len(new["purpose"]) > _LONGEST_PURPOSE:
        problems.append(Problem("/purpose", "too_long", f"A purpose has at most {_LONGEST_PURPOSE} characters."))
    unknown = sorted(set(capabilities) - set(Capability.values))
    if unknown:
        detail = f"“{unknown[0]}” is not one of {', '.join(Capability.values)}."
        problems.append(Problem("/capabilities", "unknown_value", detail))
    if new["enforcement"] not in Enforcement.values:
        detail = f"Enforcement is one of {', '.join(Enforcement.values)}."
        problems.append(Problem("/enforcement", "unknown_value", detail))
    for field in ("data_scopes", "tags"):
        if len(new[field]) > _MOST_LABELS:
            problems.append(Problem(f"/{field}", "too_many", f"At most {_MOST_LABELS} are admitted."))
        for label in new[field]:
            if not LABEL.fullmatch(label):
                detail = f"“{label}” is not a slug (a-z, 0-9, - and _)."
                problems.append(Problem(f"/{field}", "invalid_name", detail))
    return problems
