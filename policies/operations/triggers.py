"""Triggers: written down, tried on history, armed again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from django.db import transaction

from audit import sql
from audit.refusals import Conflict, Missing, PreconditionFailed, Problem
from audit.transitions import move, note
from policies import permissions
from policies.models import Counted, CountingCursor, Firing, Trigger
from policies.operations.counting import HISTORY, LOCK, counted_until
from policies.operations.watching import subject_of
from policies.states import FiringState, TriggerMode
from policies.triggers.documents import Definition, read_trigger
from policies.triggers.trying import Excursion, excursions
from registry.documents import SLUG, DocumentInvalid, Problems
from registry.history import save_configured
from registry.models import Agent, Team, User
from registry.states import AgentState

MOST_TOLD: Final = 50
# What people hear of or what stops agents is known from history before it begins.
_SPEAKING: Final = frozenset({TriggerMode.WARN, TriggerMode.ENFORCE})
_FIELDS: Final = (
    "measure", "agent", "team", "each_agent", "more_than", "window_seconds", "mode", "note", "tried_digest",
    "tried_at", "trial",
)  # fmt: skip


class TriggerChanged(PreconditionFailed):
    """Somebody saved the trigger since it was read."""

    code, title = "trigger_changed", "The trigger was changed in the meantime"


@transaction.atomic
def save_trigger(
    *,
    slug: str,
    document: object,
    by: User,
    now: datetime,
    try_first: bool = False,
    new: bool = False,
    seen: str | None = None,
) -> Trigger:
    """Write a trigger, a new one or in the place of the present one.

    Args:
        slug: its name.
        document: the whole of it; see `policies.triggers.documents`.
        by: an operator of the agent's team or of the team, an administrator; for everyone an administrator.
        now: aware UTC.
        try_first: where it is to warn or enforce and was not tried as it is now, try it here and keep the outcome.
        new: whether there may be none of this name yet.
        seen: `Definition.full_digest` of the trigger as it was read (``If-Match``); None: whatever it says now.

    Raises:
        Conflict: there is one of this name, and it was to be new.
        TriggerChanged: somebody saved it since it was read.
        DocumentInvalid: with a pointer to each defect; also where it is to warn or enforce and was not tried.
        Missing, Forbidden: not theirs to see, not theirs to watch.
    """
    problems = Problems()
    if SLUG.fullmatch(slug) is None:
        problems.add("/slug", "invalid_name", f"“{slug}” is not a slug (a-z, 0-9, - and _).")
    definition = read_trigger(document, problems=problems)
    problems.raise_if_any()
    assert definition is not None
    sql.advisory_lock(LOCK)
    trigger = Trigger.objects.select_related("agent__team", "team").filter(slug=slug).first()
    before = definition_of(trigger) if trigger else None
    # Whoever may see it learns that the name is taken, also where the trigger is not theirs to write.
    taken = new and Trigger.objects.visible_to(by).filter(slug=slug).exists()
    if trigger is not None and not taken:
        permissions.may_watch(by, agent=trigger.agent, team=trigger.team)
    agent, team = _agent(definition), _team(definition)
    permissions.may_watch(by, agent=agent, team=team)
    if new and trigger is not None:
        raise Conflict(f"There is a trigger {slug} already.")
    if seen is not None and (before is None or before.full_digest != seen):
        raise TriggerChanged(f"{slug} was saved by somebody else since you read it.")
    if before == definition and trigger is not None:
        return trigger
    trigger = trigger or Trigger(slug=slug)
    trigger.measure, trigger.agent, trigger.team = definition.count, agent, team
    trigger.each_agent, trigger.more_than = definition.each_agent, definition.more_than
    trigger.window_seconds, trigger.mode, trigger.note = definition.window_seconds, definition.mode, definition.note
    if trigger.tried_digest != definition.digest:
        trigger.tried_digest, trigger.tried_at, trigger.trial = "", None, {}
        if definition.mode in _SPEAKING:
            if not try_first:
                detail = "Try exactly this on history first: save it in shadow, try it, then switch it on."
                raise DocumentInvalid([Problem("/mode", "not_tried", detail)])
            _keep_trial(trigger, definition, now=now)
    save_configured(trigger, by=by, now=now, fields=_FIELDS)
    for firing in Firing.objects.open().filter(trigger=trigger):
        # Another definition begins anew: what is above it fires under it.
        move(firing, FiringState.REARMED, by=by, now=now, fields={"rearmed_at": now}, details={"trigger": slug})
    kind = "trigger.changed" if before else "trigger.created"
    details = {"document": definition.document, "before": before.document if before else None}
    note(trigger, kind=kind, by=by, now=now, outcome=definition.mode, after=definition.digest, details=details)
    return trigger


@transaction.atomic
def try_trigger(*, trigger: Trigger, by: User, now: datetime) -> Trigger:
    """Find out when it would have fired in the last thirty days, and keep that with it.

    Raises:
        Forbidden: see `save_trigger`.
    """
    sql.advisory_lock(LOCK)
    # What was read before the lock may have been written anew since: the trial is of what it says now.
    trigger.refresh_from_db()
    permissions.may_watch(by, agent=trigger.agent, team=trigger.team)
    definition = definition_of(trigger)
    _keep_trial(trigger, definition, now=now)
    # Not configuration: people see no change of it in the history.
    Trigger.objects.filter(pk=trigger.pk).update(
        tried_digest=trigger.tried_digest, tried_at=trigger.tried_at, trial=trigger.trial
    )
    details = {"times": trigger.trial["times"], "since": trigger.trial["since"]}
    note(trigger, kind="trigger.tried", by=by, now=now, after=definition.digest, details=details)
    return trigger


@transaction.atomic
def rearm(*, firing: Firing, by: User, now: datetime) -> None:
    """Arm a trigger again for one subject: what was counted so far does not fire it a second time.

    What it paused stays paused: letting an agent go on is a step of its own.

    Raises:
        Forbidden: they do not operate the team concerned.
        IllegalTransition: it is armed already.
        Stale: somebody else armed it at this moment.
    """
    permissions.may_rearm(by, firing)
    fields = {"rearmed_at": now, "rearmed_by": by}
    move(firing, FiringState.REARMED, by=by, now=now, fields=fields, details={"trigger": firing.trigger.slug})


def definition_of(trigger: Trigger) -> Definition:
    """Return what a trigger is."""
    return Definition(
        count=str(trigger.measure),
        agent=trigger.agent.slug if trigger.agent else "",
        team=trigger.team.slug if trigger.team else "",
        each_agent=trigger.each_agent,
        more_than=trigger.more_than,
        window_seconds=trigger.window_seconds,
        mode=str(trigger.mode),
        note=trigger.note,
    )


def trigger_documents() -> dict[str, dict[str, Any]]:
    """Return every trigger's document by its slug, in the order of the slugs."""
    rows = Trigger.objects.select_related("agent", "team").order_by("slug")
    return {trigger.slug: definition_of(trigger).document for trigger in rows}


def _agent(definition: Definition) -> Agent | None:
    if not definition.agent:
        return None
    rows = Agent.objects.exclude(state=AgentState.RETIRED).select_related("team", "owner")
    agent = rows.filter(slug=definition.agent).first()
    if agent is None:
        raise Missing
    return agent


def _team(definition: Definition) -> Team | None:
    if not definition.team:
        return None
    team = Team.objects.filter(slug=definition.team).first()
    if team is None:
        raise Missing
    return team


def _keep_trial(trigger: Trigger, definition: Definition, *, now: datetime) -> None:
    trigger.tried_digest, trigger.tried_at = definition.digest, now
    trigger.trial = trial_of(trigger, now=now)


def trial_of(trigger: Trigger, *, now: datetime) -> dict[str, Any]:
    """Return when a trigger would have fired in the last thirty days, as far as the trail is counted.

    Returns:
        ``{"since", "until", "times", "subjects", "excursions": [{"subject", "at", "measured", "highest", "until"}]}``,
        the newest excursions first, at most fifty of them.
    """
    cursor = CountingCursor.objects.first()
    until = counted_until(now=now)
    since = now - HISTORY
    found: list[tuple[str, Excursion]] = []
    for subject, points in _histories(trigger, since):
        each = excursions(points, more_than=trigger.more_than, window_seconds=trigger.window_seconds, until=until)
        found += [(subject, excursion) for excursion in each]
    newest = sorted(found, key=lambda each: each[1].at, reverse=True)[:MOST_TOLD]
    return {
        "since": max(since, cursor.since).isoformat() if cursor else now.isoformat(),
        "until": until.isoformat(),
        "times": len(found),
        "subjects": len({subject for subject, _ in found}),
        "excursions": [
            {
                "subject": subject,
                "at": each.at.isoformat(),
                "measured": each.measured,
                "highest": each.highest,
                "until": each.until.isoformat() if each.until else None,
            }
            for subject, each in newest
        ],
    }


def _histories(trigger: Trigger, since: datetime) -> Iterator[tuple[str, Iterator[tuple[datetime, int]]]]:
    """Yield each subject with its minutes and amounts, in order; one subject at a time is in memory."""
    rows = Counted.objects.filter(measure=trigger.measure, minute__gte=since)
    if trigger.agent:
        rows = rows.filter(agent=trigger.agent)
    elif trigger.team:
        rows = rows.filter(team=trigger.team.slug)
    if trigger.each_agent:
        each = rows.order_by("agent_id", "minute").values_list("agent__slug", "minute", "amount")
        for subject, group in groupby(each.iterator(chunk_size=2_000), key=itemgetter(0)):
            yield subject, ((minute, amount) for _, minute, amount in group)
    else:
        yield subject_of(trigger), rows.order_by("minute").values_list("minute", "amount").iterator(chunk_size=2_000)
