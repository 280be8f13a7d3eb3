"""Who is to decide: the queues that rules name, and those that take an action by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from approvals.models import ApprovalRequest, KnownDestination, Queue
from approvals.models.afterwards import digest_of
from approvals.risk import Risk, assess
from approvals.routing import Case, parse_matches, route
from audit import sql
from controlplane.gateway.standing import Standing
from controlplane.gateway.verdicts import denied, throttled
from policies.facts import Action, Verdict
from policies.reasons import reason
from policies.routes import is_routed
from policies.states import Effect


def risk_of(action: Action, *, agent_id: int) -> Risk:
    """Judge how much could go wrong with an action of an agent."""
    places = {str(destination) for destination in action.destinations}
    known = KnownDestination.objects.of_agent(agent_id, places).values_list("digest", flat=True)
    return assess(
        capability=action.capability,
        data_classes=action.data_classes,
        amount=action.amount,
        units=action.units,
        new_destinations=len({digest_of(place) for place in places} - set(known)),
    )


def routed(verdict: Verdict, action: Action | None, standing: Standing, *, risk: str = "") -> Verdict:
    """Name the queues of a review: those that rules name, and those that take the action by themselves.

    A queue that rules name and that does not exist, or an action that no queue takes, is a denial:
    nobody could decide it.

    Args:
        verdict: of the policies.
        action: what counts.
        standing: who asks.
        risk: the tier that its reviewers saw, when it is judged again; empty: that of now.
    """
    if verdict.effect != Effect.REVIEW or action is None:
        return verdict
    wanted: Sequence[str] | None = verdict.queues
    if any(is_routed(each) for each in verdict.queues):
        rows = Queue.objects.exclude(matches={}).values_list("slug", "matches")
        takes = {slug: found for slug, raw in rows if (found := parse_matches(raw)) is not None}
        risk = risk or risk_of(action, agent_id=standing.agent_id).tier
        wanted = route(verdict.queues, takes, Case(action, standing.agent, standing.team, risk))
    if wanted is None:
        return denied(verdict, reason("no_queue"))
    missing = set(wanted) - set(Queue.objects.filter(slug__in=wanted).values_list("slug", flat=True))
    if missing:
        return denied(verdict, reason("evaluation_error", where=f" (there is no queue “{min(missing)}”)"))
    return replace(verdict, queues=tuple(wanted))


def with_room(verdict: Verdict, *, now: datetime) -> Verdict:
    """Throttle what a queue has no room for. Only asking is bounded: what waits already stays where it is."""
    rows = Queue.objects.filter(slug__in=verdict.queues, capacity__gt=0).order_by("slug")
    for slug, capacity in rows.values_list("slug", "capacity"):
        sql.advisory_lock(f"approvals.queue.{slug}")
        waiting = ApprovalRequest.objects.in_time(now).filter(queues__slug=slug).order_by("expires_at")
        ends = list(waiting.values_list("expires_at", flat=True)[:capacity])
        if len(ends) >= capacity:
            return throttled(verdict, reason("queue_full", queue=slug, most=capacity), retry_at=ends[0])
    return verdict
