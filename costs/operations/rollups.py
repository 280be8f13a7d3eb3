"""Rollups: sums of usage by hour and day, equal to their raw rows.

A sum is never added to: where rows changed, the sums of that agent's hour are deleted and made
again from the raw rows, and those of its day from its hours, in one transaction with the removal
of the marks that asked for it. So a crash, a repetition or rows in any order change nothing.

A sum that the database cannot make stops no other: it is marked again, behind all others.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction

from audit import sql
from costs import sums
from costs.models import DirtyBucket
from costs.reports import LATE

_DAY = timedelta(days=1)
_Bucket = tuple[datetime, int]
_log = logging.getLogger(__name__)


@transaction.atomic
def roll_up(*, now: datetime, limit: int = 1000) -> int:
    """Make the sums of marked hours and their days again.

    One rollup works at a time. What is committed while it works has marks of its own, which
    stay for the next time. Leaves no entry in the trail: it changes no fact.

    Args:
        now: aware UTC.
        limit: how many marks at most; where that many were found, there may be more.

    Returns:
        How many marks were looked at.
    """
    sql.advisory_lock("costs.rollups")
    marks = list(DirtyBucket.objects.order_by("id").values_list("pk", "hour", "agent_id")[:limit])
    buckets = sorted({(hour, agent_id) for _, hour, agent_id in marks})
    if not _remade(buckets, now=now):
        again = [bucket for bucket in buckets if not _remade([bucket], now=now)]
        DirtyBucket.objects.bulk_create([DirtyBucket(hour=hour, agent_id=agent_id) for hour, agent_id in again])
    DirtyBucket.objects.filter(pk__in=[pk for pk, _, _ in marks]).delete()
    return len(marks)


def _remade(buckets: Sequence[_Bucket], *, now: datetime) -> bool:
    """Make the sums of buckets again, all or none; say whether it could be done."""
    try:
        with transaction.atomic():
            _remake(buckets, now=now)
    except DatabaseError:
        if len(buckets) == 1:
            _log.exception("the sums of %s of agent %s cannot be made", *buckets[0])
        return False
    return True


def _remake(buckets: Sequence[_Bucket], *, now: datetime) -> None:
    hours: defaultdict[datetime, set[int]] = defaultdict(set)
    days: defaultdict[datetime, set[int]] = defaultdict(set)
    for hour, agent_id in buckets:
        hours[hour].add(agent_id)
        days[hour.replace(hour=0)].add(agent_id)
    # Raw SQL: INSERT … SELECT leaves the rows where they are; 5 million of them take seconds.
    with connection.cursor() as cursor:
        for hour, agents in sorted(hours.items()):
            _remake_hour(cursor, hour, sorted(agents))
            if hour < now - LATE:
                _remake_adjustments(cursor, hour, sorted(agents))
        for day, agents in sorted(days.items()):
            _remake_day(cursor, day, sorted(agents))


def _remake_hour(cursor: Any, hour: datetime, agents: Sequence[int]) -> None:
    among = _among(agents)
    which = [sql.stamp(hour), *agents]
    cursor.execute(_empty("costs_costrollup", f"grain = 'hour' AND bucket_start = %s AND {among}"), which)
    made = sums.of_hours(f"hour = %s AND {among}")
    cursor.execute(_fill("costs_costrollup", "grain", made), which)


def _remake_day(cursor: Any, day: datetime, agents: Sequence[int]) -> None:
    among = _among(agents)
    which = [sql.stamp(day), *agents]
    cursor.execute(_empty("costs_costrollup", f"grain = 'day' AND bucket_start = %s AND {among}"), which)
    made = sums.of_days_by_hours(f"bucket_start >= %s AND bucket_start < %s AND {among}")
    cursor.execute(_fill("costs_costrollup", "grain", made), [sql.stamp(day), sql.stamp(day + _DAY), *agents])


def _remake_adjustments(cursor: Any, hour: datetime, agents: Sequence[int]) -> None:
    among = _among(agents)
    which = [sql.stamp(hour), *agents]
    cursor.execute(_empty("costs_adjustment", f"bucket_start = %s AND {among}"), which)
    made = sums.of_late(f"hour = %s AND {among}")
    cursor.execute(_fill("costs_adjustment", "booked_on", made), which)


def _empty(table: str, where: str) -> str:
    return f"DELETE FROM {table} WHERE {where}"  # noqa: S608 - constants and placeholders


def _fill(table: str, first: str, made: str) -> str:
    return f"INSERT INTO {table} ({first}, bucket_start, {sums.NAMES}) {made}"


def _among(agents: Sequence[int]) -> str:
    return f"agent_id IN ({sql.placeholders(len(agents))})"
