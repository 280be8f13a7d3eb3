"""Versions and releases: drafts, promotion, rollback of one step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from audit import sql
from audit.canonical import check, digest
from audit.refusals import Conflict, Invalid, Stale, invalid
from audit.transitions import move, note
from registry import permissions
from registry.models import Agent, AgentVersion, Release, User
from registry.states import AgentState, Environment, ReleaseState, VersionState

_DOMAIN = "acp.version.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a promotion rests on; rooms above collect it, the trail keeps it.

    Attributes:
        runs: how many runs of the version were looked at.
        failures: how many of them failed.
        cost_per_task_nanousd: mean cost of a task, integer nano-USD; None where unknown.
        decided: how many held actions of the version people decided.
        overridden: how many of them people rejected or edited.
        approved_by: user name of the second person, where one was required.
    """

    runs: int = 0
    failures: int = 0
    cost_per_task_nanousd: int | None = None
    decided: int = 0
    overridden: int = 0
    approved_by: str = ""


@transaction.atomic
def create_version(
    *, agent: Agent, definition: Mapping[str, Any], by: User, now: datetime, note: str = ""
) -> AgentVersion:
    """Add a draft, numbered after the newest version.

    Args:
        agent: an agent that is not retired.
        definition: prompts, model preferences, tools, configuration: any JSON object.
        by: an operator of the team, or an administrator.
        now: aware UTC.
        note: what is new in it, for people.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to configure.
        Invalid: the definition cannot be stored or has no canonical form.
        Conflict: the agent is retired.
    """
    permissions.may_configure(by, agent)
    return _create(agent, definition, note=note, by=by, now=now)


@transaction.atomic
def edit_draft(
    *, version: AgentVersion, definition: Mapping[str, Any], by: User, now: datetime, note: str = ""
) -> bool:
    """Replace a draft's definition and note.

    Returns:
        Whether anything changed.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to configure.
        Conflict: it has left draft and is immutable.
        Stale: it left draft, or somebody else edited it, in the meantime.
    """
    permissions.may_configure(by, version.agent)
    checksum = _checksum(definition)
    old = version.checksum
    if version.state != VersionState.DRAFT:
        raise Conflict(f"{version} has left draft and is immutable.")
    if (checksum, note) == (old, version.note):
        return False
    draft = AgentVersion.objects.filter(pk=version.pk, state=VersionState.DRAFT, checksum=old)
    if draft.update(definition=dict(definition), checksum=checksum, note=note) != 1:
        raise Stale(f"{version} is no longer the draft that was edited.")
    version.definition, version.checksum, version.note = dict(definition), checksum, note
    _note(version, "version.edited", by=by, now=now, before=old)
    return True


@transaction.atomic
def discard_draft(*, version: AgentVersion, by: User, now: datetime) -> None:
    """Give a draft up for good; its number is not used again.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to configure.
        IllegalTransition: it has left draft.
        Stale: it left draft in the meantime.
    """
    permissions.may_configure(by, version.agent)
    move(version, VersionState.DISCARDED, by=by, now=now, details={"number": version.number})


@transaction.atomic
def promote(
    *,
    version: AgentVersion,
    environment: str,
    by: User,
    now: datetime,
    evidence: Evidence | None = None,
) -> Release:
    """Make a version the live one of an environment, in place of whichever is.

    Args:
        version: as its promoter saw it: another content by now is refused.
        environment: of `registry.states.Environment`.
        by: an operator of the team, or an administrator.
        now: aware UTC.
        evidence: what the promotion rests on.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to release.
        Invalid: no such environment.
        Conflict: it is live there already, or the agent is retired.
        Stale: somebody else released there, or edited the draft, in the meantime.
    """
    permissions.may_release(by, version.agent)
    details = {"evidence": asdict(evidence)} if evidence else {}
    return _release(version, environment, kind="release.promoted", details=details, by=by, now=now)


@transaction.atomic
def roll_back(*, agent: Agent, environment: str, by: User, now: datetime) -> Release:
    """Make the version live again that was before the present one: one step back.

    Rolling back twice goes two steps back, not forth and back again.

    Raises:
        Missing, Forbidden: not theirs to see, not theirs to release.
        Invalid: no such environment.
        Conflict: there is no live version, or none before it.
        Stale: somebody else released there in the meantime.
    """
    permissions.may_release(by, agent)
    _must_be_environment(environment)
    releases = list(Release.objects.filter(agent=agent, environment=environment).order_by("pk"))
    line = standing(releases)
    live = releases[-1] if releases else None
    if live is None or len(line) < 2:
        raise Conflict(f"{agent.slug} has no earlier version in {environment}.")
    version = AgentVersion.objects.select_related("agent__team").get(pk=line[-2])
    return _release(version, environment, kind="release.rolled_back", undoes=live, by=by, now=now)


def standing(releases: Iterable[Release]) -> list[int]:
    """Return the line of versions that rollbacks walk back along (pure).

    Args:
        releases: all of one agent and environment, oldest first.

    Returns:
        Ids of versions; the last is live, the one before it is where a rollback leads.
    """
    line: list[int] = []
    for release in releases:
        if release.rolls_back_id is None:
            line.append(release.version_id)
        else:
            line.pop()
    return line


def release_first(agent: Agent, *, by: User, now: datetime) -> None:
    """Give a new agent version 1, empty and live in every environment; `by` was checked already."""
    version = _create(agent, {}, note="Registered", by=by, now=now)
    for environment in Environment.values:
        _release(version, environment, kind="release.promoted", by=by, now=now)


def _create(agent: Agent, definition: Mapping[str, Any], *, note: str, by: User, now: datetime) -> AgentVersion:
    checksum = _checksum(definition)
    if agent.state == AgentState.RETIRED:
        raise Conflict(f"{agent.slug} is retired.")
    sql.advisory_lock(f"registry.versions.{agent.pk}")
    newest = AgentVersion.objects.filter(agent=agent).aggregate(newest=Max("number"))["newest"] or 0
    version = AgentVersion.objects.create(
        agent=agent,
        number=newest + 1,
        definition=dict(definition),
        checksum=checksum,
        note=note,
        created_at=now,
        created_by=by,
    )
    _note(version, "version.created", by=by, now=now)
    return version


def _must_be_environment(name: str) -> None:
    if name not in Environment.values:
        raise invalid("/environment", "unknown_value", f"An environment is one of {', '.join(Environment.values)}.")


def _release(
    version: AgentVersion,
    environment: str,
    *,
    kind: str,
    by: User,
    now: datetime,
    undoes: Release | None = None,
    details: Mapping[str, Any] | None = None,
) -> Release:
    agent = version.agent
    _must_be_environment(environment)
    if agent.state == AgentState.RETIRED:
        raise Conflict(f"{agent.slug} is retired.")
    if version.state == VersionState.DISCARDED:
        raise Conflict(f"{version} was discarded.")
    live = Release.objects.select_related("version__agent__team", "agent__team").filter(
        agent=agent, environment=environment, state=ReleaseState.LIVE
    )
    before = live.first()
    if undoes is not None and before != undoes:
        raise Stale(f"Another version of {agent.slug} went live in {environment} in the meantime.")
    if before is not None and undoes is None and before.version_id == version.pk:
        raise Conflict(f"{version} is live in {environment} already.")
    if before is not None:
        move(before, ReleaseState.ENDED, by=by, now=now, fields={"ended_at": now})
    release = _make_live(version, environment, undoes=undoes, by=by, now=now)
    _follow(version, by=by, now=now)
    if not AgentVersion.objects.filter(pk=version.pk, checksum=version.checksum).exists():
        # The draft was edited after its promoter had read it; the move above holds its row now.
        raise Stale(f"{version} is no longer what was promoted.")
    if before is not None and before.version_id != version.pk:
        _follow(before.version, by=by, now=now)
    facts = {
        "version": version.number,
        "environment": environment,
        "checksum": version.checksum,
        "replaces": before.version.number if before else None,
        **(details or {}),
    }
    note(release, kind=kind, by=by, now=now, outcome=environment, details=facts)
    return release


def _make_live(version: AgentVersion, environment: str, *, undoes: Release | None, by: User, now: datetime) -> Release:
    try:
        # A savepoint: a refused insert would else break the whole transaction on PostgreSQL.
        with transaction.atomic():
            return Release.objects.create(
                agent=version.agent,
                version=version,
                environment=environment,
                released_at=now,
                released_by=by,
                rolls_back=undoes,
            )
    except IntegrityError as error:
        detail = f"Another version of {version.agent.slug} went live in {environment} in the meantime."
        raise Stale(detail) from error


def _follow(version: AgentVersion, *, by: User, now: datetime) -> None:
    """Bring a version's state in line with where it is live: production over staging, else archived."""
    live = Release.objects.filter(version=version, state=ReleaseState.LIVE)
    where = set(live.values_list("environment", flat=True))
    due = VersionState.ARCHIVED
    if Environment.PRODUCTION in where:
        due = VersionState.PRODUCTION
    elif Environment.STAGING in where:
        due = VersionState.STAGING
    if version.state != due:
        move(version, due, by=by, now=now)


def _checksum(definition: Mapping[str, Any]) -> str:
    if not isinstance(definition, Mapping):
        raise Invalid("A definition is a JSON object.")
    check(dict(definition))
    return digest(_DOMAIN, dict(definition))


def _note(version: AgentVersion, kind: str, *, by: User, now: datetime, before: str = "") -> None:
    details = {"number": version.number}
    note(version, kind=kind, by=by, now=now, before=before, after=version.checksum, details=details)
