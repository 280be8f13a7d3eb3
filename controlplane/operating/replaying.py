"""Replays with what costs and approvals know, and the worker told that one waits."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from kombu.exceptions import OperationalError

from approvals.models import Vote
from audit import sql
from costs.in_force import BudgetTree, present_tree
from costs.models import Usage
from costs.sums import Total
from policies.models import Replay, Revision
from policies.operations import Measures, advance, start_replay
from policies.operations.replays import SLICE
from registry.models import Agent, User

TASK: Final = "operating.replay"
# Somebody who goes on with it keeps a slice more often than this.
QUIET: Final = timedelta(seconds=8)
_MOST_MEASURED: Final = 1_000


def request_replay(
    *, revision: Revision, since: datetime, until: datetime, by: User, now: datetime, tell: Callable[[UUID], None]
) -> Replay:
    """Ask for a replay, and tell the worker once that is committed.

    Args:
        revision: see `policies.operations.start_replay`, as for the rest.
        since: the first moment.
        until: the first moment after.
        by: who.
        now: aware UTC.
        tell: sends the task; where the broker is away, the schedule finds the replay.

    Raises:
        Refusal: see `policies.operations.start_replay`.
    """
    replay = start_replay(revision=revision, since=since, until=until, by=by, now=now)

    def send() -> None:
        try:
            tell(replay.pk)
        except OperationalError:
            # The schedule looks every ten seconds.
            return

    transaction.on_commit(send)
    return replay


def waiting(*, now: datetime) -> UUID | None:
    """Return the oldest replay with which nobody goes on at the moment, of those least often begun in vain."""
    return Replay.objects.waiting(now=now, quiet=QUIET).values_list("pk", flat=True).first()


def work_off(*, replay_id: UUID, slice_of: timedelta = SLICE) -> bool:
    """Work off one slice; say whether there is more."""
    return advance(replay_id=replay_id, measures=measures(), clock=sql.now, slice_of=slice_of)


def measures() -> Measures:
    """Return what costs and approvals know, as of now."""
    tree = present_tree()
    teams = dict(Agent.objects.values_list("pk", "team_id"))
    reserves: dict[int, int | None] = {}

    def reserve(agent_id: int) -> int | None:
        if agent_id not in reserves:
            reserves[agent_id] = _reserve(tree, agent_id, teams.get(agent_id))
        return reserves[agent_id]

    return Measures(costs=costs_of, reserve=reserve, reviewing=reviewing)


def _reserve(tree: BudgetTree, agent_id: int, team_id: int | None) -> int | None:
    if team_id is None:
        return None
    budgets = tree.over(agent_id=agent_id, team=team_id, task="")
    # The one nearest to the agent, as reservations begin there.
    return budgets[0].reserve_nanousd if budgets else None


def costs_of(decisions: Sequence[UUID]) -> Mapping[UUID, int]:
    """Return what the model calls of some actions cost, nano-USD; actions without a priced call are left out."""
    rows = Usage.objects.filter(decision_id__in=decisions).exclude(cost_nanousd=None).order_by()
    return dict(rows.values_list("decision_id").annotate(cost=Total("cost_nanousd")))


def reviewing(held_in: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return what reviewing so many actions takes, from the times that people took.

    Of each queue the median of its newest measured times counts, from a person's first opening to
    their vote; a queue without any takes that of all queues.

    Args:
        held_in: queue and number of actions.

    Returns:
        ``{"seconds": int | None, "queues": [{"queue", "held", "measured", "median_ms"}]}``; no
        seconds where nothing was ever measured.
    """
    found, total, unknown = [], 0, False
    everywhere = _times(None) if held_in else []
    for queue, held in held_in:
        times = _times(queue)
        used = times or everywhere
        median = int(statistics.median_low(used)) if used else None
        unknown = unknown or median is None
        total += held * (median or 0)
        found.append({"queue": queue, "held": held, "measured": len(times), "median_ms": median})
    return {"seconds": None if unknown else total // 1000, "queues": found}


def _times(queue: str | None) -> list[int]:
    votes = Vote.objects.exclude(took_ms=None)
    if queue is not None:
        votes = votes.filter(request__queues__slug=queue)
    newest = votes.order_by("-at").values_list("took_ms", flat=True)[:_MOST_MEASURED]
    return [took for took in newest if took is not None]
