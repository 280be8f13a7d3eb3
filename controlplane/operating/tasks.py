"""Scheduled work of running an installation."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from celery import shared_task
from kombu.exceptions import OperationalError

from audit import sql
from audit.actors import System
from controlplane.operating import heartbeats, replaying, unused


@shared_task(name=heartbeats.TASK)
def heartbeat(process: str = heartbeats.WORKER, **_: Any) -> None:
    """Show that tasks are sent and done.

    Args:
        process: whose queue this came by.
    """
    heartbeats.stamp(process)


@shared_task(name="operating.give_back_unused")
def give_back_unused(**_: Any) -> int:
    """Give back what is set aside for actions that nobody may execute any more."""
    return unused.give_back_unused(by=System("budgets"), now=sql.now())


@shared_task(name=replaying.TASK)
def replay(replay_id: str = "", **_: Any) -> bool:
    """Work off one slice of a replay, and send for the next: a long one lets every other task through.

    Args:
        replay_id: which; left out by the schedule, which goes on with one that nobody works on.
    """
    found = UUID(replay_id) if replay_id else replaying.waiting(now=sql.now())
    more = found is not None and replaying.work_off(replay_id=found)
    if more:
        # Where the broker is away, the schedule finds it again.
        with suppress(OperationalError):
            tell_replay(found)
    return more


def tell_replay(replay_id: UUID | None) -> None:
    """Send for the next slice.

    Raises:
        OperationalError: the broker is away.
    """
    replay.apply_async(kwargs={"replay_id": str(replay_id)}, retry=False)
