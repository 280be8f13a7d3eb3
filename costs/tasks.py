"""Scheduled work of costs."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from audit import sql
from audit.actors import System
from costs import budgets, operations

_BATCH = 500
_ROUNDS = 200


@shared_task(name="costs.roll_up")
def roll_up(**_: Any) -> int:
    """Bring the rollups up to date; what a run leaves, the next one takes."""
    done = 0
    for _round in range(_ROUNDS):
        worked_off = operations.roll_up(now=sql.now(), limit=_BATCH)
        done += worked_off
        if worked_off < _BATCH:
            break
    return done


@shared_task(name="costs.expire_reservations")
def expire_reservations(**_: Any) -> int:
    """Give back what was set aside for actions of which nothing was heard."""
    done = 0
    for _round in range(_ROUNDS):
        ended = budgets.expire_reservations(by=System("budgets"), now=sql.now(), limit=_BATCH)
        done += ended
        if ended < _BATCH:
            break
    return done


@shared_task(name="costs.pause_spent")
def pause_spent(**_: Any) -> int:
    """Pause the agents of spent budgets that a crash between commit and pause left running."""
    return operations.pause_spent(now=sql.now())
