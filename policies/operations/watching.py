"""Firing: what is above its threshold fires once per excursion; what fell is armed again.

Nothing here lets an agent go on: a trigger that is armed again leaves paused what it paused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import QuerySet, Sum

from audit import sql
from audit.actors import System
from audit.refusals import Conflict
from audit.transitions import move, note
from policies.models import EVERYONE, Counted, Firing, Trigger
from policies.operations.counting import LOCK, count_trail, forget_counts
from policies.states import FiringState, TriggerMode
from policies.triggers.trying import minute_of
from registry.models import Agent
from registry.operations import pause_agent

# Deletion looks at an old stretch; once an hour is enough.
_FORGETTING_MINUTE: Final = 17

logger = structlog.get_logger(__name__)


def watch(*, now: datetime, limit: int = 5_000, rounds: int = 20) -> int:
    """Count what is new in the trail, then look at every trigger that is on.

    Args:
        now: aware UTC.
        limit: entries counted in one transaction.
        rounds: how many of these; what is left, the next run takes, and no trigger is looked at before that.

    Returns:
        How many triggers fired.

    Raises:
        Exception: what the first trigger that could not be looked at met; all others were looked at.
    """
    for _round in range(rounds):
        if count_trail(now=now, limit=limit) < limit:
            break
    else:
        return 0
    if now.minute == _FORGETTING_MINUTE:
        forget_counts(now=now)
    keys = Trigger.objects.on().order_by("pk").values_list("pk", flat=True)
    fired, met = 0, None
    for pk in keys:
        try:
            fired += look(pk, now=now)
        except Exception as error:
            # One that fails at every look must not keep those behind it from ever firing.
            logger.exception("trigger_failed", trigger=pk)
            met = met or error
    if met is not None:
        raise met
    return fired


@transaction.atomic
def look(pk: int, *, now: datetime) -> int:
    """Look at one trigger: fire it for whoever is above, arm it again for whoever fell.

    Args:
        pk: of the trigger, read again under the lock.
        now: aware UTC.

    Returns:
        How many times it fired.
    """
    sql.advisory_lock(LOCK)
    trigger = Trigger.objects.select_related("agent__team", "team").on().filter(pk=pk).first()
    if trigger is None:
        return 0
    by = System(f"trigger:{trigger.slug}")
    above = {subject: total for subject, total in _totals(trigger, now).items() if total > trigger.more_than}
    fired = 0
    open_now = {firing.subject: firing for firing in Firing.objects.open().filter(trigger=trigger)}
    for subject, firing in open_now.items():
        if subject not in above:
            move(firing, FiringState.REARMED, by=by, now=now, fields={"rearmed_at": now}, details=_facts(trigger))
    for subject in sorted(above.keys() - open_now.keys()):
        total = _since_armed(trigger, subject, now)
        if total > trigger.more_than:
            _fire(trigger, subject, total, by=by, now=now)
            fired += 1
    return fired


def _totals(trigger: Trigger, now: datetime) -> Mapping[str, int]:
    """Return what was counted in the window, by subject."""
    rows = _counted(trigger, now)
    if trigger.each_agent:
        totals = rows.order_by().values_list("agent__slug").annotate(total=Sum("amount"))
        return dict(totals.filter(total__gt=trigger.more_than))
    return {subject_of(trigger): rows.aggregate(total=Sum("amount"))["total"] or 0}


def _counted(trigger: Trigger, now: datetime, *, after: datetime | None = None) -> QuerySet[Counted]:
    # The present minute and as many whole ones before it: none that the window reaches into is left out.
    begins = minute_of(now) - timedelta(seconds=trigger.window_seconds)
    rows = Counted.objects.filter(measure=trigger.measure, minute__gte=begins)
    if after:
        rows = rows.filter(minute__gt=after)
    if trigger.agent:
        return rows.filter(agent=trigger.agent)
    return rows.filter(team=trigger.team.slug) if trigger.team else rows


def _since_armed(trigger: Trigger, subject: str, now: datetime) -> int:
    """Count for one subject, without what came before a person armed it again."""
    last = Firing.objects.filter(trigger=trigger, subject=subject).exclude(rearmed_by=None).first()
    # The minute in which it was armed stays out as a whole.
    after = minute_of(last.rearmed_at) if last and last.rearmed_at else None
    rows = _counted(trigger, now, after=after)
    if trigger.each_agent:
        rows = rows.filter(agent__slug=subject)
    return rows.aggregate(total=Sum("amount"))["total"] or 0


def subject_of(trigger: Trigger) -> str:
    """Return whom a trigger that counts together is about."""
    if trigger.agent:
        return trigger.agent.slug
    return trigger.team.slug if trigger.team else EVERYONE


def _fire(trigger: Trigger, subject: str, total: int, *, by: System, now: datetime) -> None:
    agent = trigger.agent
    if trigger.each_agent:
        agent = Agent.objects.select_related("team").get(slug=subject)
    team = agent.team.slug if agent else trigger.team.slug if trigger.team else ""
    firing = Firing(
        trigger=trigger, subject=subject, agent=agent, concerns=team, mode=trigger.mode, measured=total,
        more_than=trigger.more_than, window_seconds=trigger.window_seconds, at=now,
    )  # fmt: skip
    if trigger.mode == TriggerMode.ENFORCE:
        firing.paused = _pause(trigger, agent, by=by, now=now)
    firing.save(force_insert=True)
    details = {**_facts(trigger), "subject": subject, "measured": str(total), "paused": firing.paused}
    note(firing, kind="trigger.fired", by=by, now=now, outcome=trigger.mode, details=details)


def _pause(trigger: Trigger, agent: Agent | None, *, by: System, now: datetime) -> list[str]:
    """Pause the agent, or every active agent of the team; return those that were paused by this."""
    reason = f"The trigger {trigger.slug} fired."
    agents = [agent] if agent else list(
        Agent.objects.active().filter(team=trigger.team).select_related("team", "owner").order_by("pk")
    )  # fmt: skip
    paused = []
    for each in agents:
        try:
            with transaction.atomic():
                pause_agent(agent=each, reason=reason, by=by, now=now)
        except Conflict:
            # Somebody else paused or retired it first.
            continue
        paused.append(each.slug)
    return paused


def _facts(trigger: Trigger) -> dict[str, object]:
    return {
        "trigger": trigger.slug,
        "count": trigger.measure,
        "more_than": str(trigger.more_than),
        "seconds": trigger.window_seconds,
    }
