"""Exact sliding-window limits and split guards, in the database.

For every window (t−W, t], over all processes: admitted units (money, distinct values) ≤ N, and a caller
under its limit is never refused. Exactness comes from order: a limit's lock is held from before its window is
read until the admission commits. PostgreSQL holds one advisory lock per limit key; on SQLite
the transaction itself excludes every other writer.

Of a distinct value only the last admission counts: a window up to now holds exactly the values whose last
admission lies in it, and one that it holds already costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from audit import sql
from policies.facts import LimitDemand

_SUM = "SELECT COALESCE(SUM(units), 0) FROM policies_admission WHERE key = %s AND at > %s"
_WINDOW = "SELECT at, units FROM policies_admission WHERE key = %s AND at > %s ORDER BY at"
_OTHERS = "SELECT at FROM policies_distinct WHERE key = %s AND at > %s AND value NOT IN ({}) ORDER BY at"
_MEET = (
    "INSERT INTO policies_distinct (key, value, at) VALUES (%s, %s, %s) ON CONFLICT (key, value) DO UPDATE SET "
    "at = CASE WHEN excluded.at > policies_distinct.at THEN excluded.at ELSE policies_distinct.at END"
)
_ADMIT = "INSERT INTO policies_admission (key, at, units, decision_id) VALUES (%s, %s, %s, %s)"
_WITHDRAW = "DELETE FROM policies_admission WHERE key = %s AND decision_id = %s"
# Locks of one statement: a target list of PostgreSQL's has at most 1664 entries, and a letter may have more recipients.
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Exhausted:
    """A limit that does not admit the units now.

    Attributes:
        demand: the limit and what was asked of it.
        admitted: what its present window holds, of distinct values those that the action does not have.
        retry_at: when enough will have left the window; None where no wait is ever enough.
    """

    demand: LimitDemand
    admitted: int
    retry_at: datetime | None


def lock(demands: Sequence[LimitDemand]) -> datetime:
    """Hold the limits' locks until the transaction ends, then read the clock; mostly in one round trip.

    Args:
        demands: the limits concerned.

    Returns:
        The time, read after the last lock was granted.
    """
    if not sql.is_postgresql():
        return sql.clock()
    keys = sorted({demand.key for demand in demands})
    parts = [keys[at : at + _MOST] for at in range(0, len(keys), _MOST)] or [[]]
    with sql.cursor() as cursor:
        for part in parts:
            # PostgreSQL evaluates a target list from left to right: locks in key order, the clock last.
            locks = "pg_advisory_xact_lock(hashtextextended(%s, 1)), " * len(part)
            cursor.execute(f"SELECT {locks} clock_timestamp()", part)
        return sql.read_stamp(cursor.fetchone()[-1])


def first_exhausted(demands: Sequence[LimitDemand], *, now: datetime) -> Exhausted | None:
    """Say which limit does not admit its units now, without taking anything.

    Args:
        demands: the limits, locked by `lock` where the answer is to stay true.
        now: the time that `lock` returned.
    """
    with sql.cursor() as cursor:
        for demand in demands:
            since = now - timedelta(seconds=demand.window_seconds)
            if demand.values:
                others = _others(cursor, demand, since)
                if len(others) + demand.units > demand.maximum:
                    return Exhausted(demand, len(others), _fewer(demand, others))
                continue
            cursor.execute(_SUM, [demand.key, sql.stamp(since)])
            admitted = int(cursor.fetchone()[0])
            if admitted + demand.units > demand.maximum:
                return Exhausted(demand, admitted, _opens(cursor, demand, since))
    return None


def withdraw(demands: Sequence[LimitDemand], *, decision_id: UUID) -> None:
    """Give back what a decision took: nothing was done yet, and it is taken anew, in the windows of a later time.

    Values of a split stay met: meeting them again costs nothing.

    Args:
        demands: the limits, locked by `lock`.
        decision_id: the decision that took them.
    """
    with sql.cursor() as cursor:
        cursor.executemany(_WITHDRAW, [[demand.key, decision_id.hex] for demand in demands])


def _opens(cursor: Any, demand: LimitDemand, since: datetime) -> datetime | None:
    """Return when enough of the window's admissions will have left it."""
    if demand.units > demand.maximum:
        return None
    cursor.execute(_WINDOW, [demand.key, sql.stamp(since)])
    rows = [(sql.read_stamp(at), int(units)) for at, units in cursor.fetchall()]
    left = sum(units for _, units in rows)
    for at, units in rows:
        left -= units
        if left + demand.units <= demand.maximum:
            return at + timedelta(seconds=demand.window_seconds)
    return None


def _others(cursor: Any, demand: LimitDemand, since: datetime) -> list[datetime]:
    """Return when each value of the window that the action does not have was met last, the earliest first."""
    statement = _OTHERS.format(sql.placeholders(len(demand.values)))
    cursor.execute(statement, [demand.key, sql.stamp(since), *demand.values])
    return [sql.read_stamp(at) for (at,) in cursor.fetchall()]


def _fewer(demand: LimitDemand, others: Sequence[datetime]) -> datetime | None:
    """Return when so many others have left the window that all of the action's values find room."""
    room = demand.maximum - demand.units
    return None if room < 0 else others[-room - 1] + timedelta(seconds=demand.window_seconds)


def admit(demands: Sequence[LimitDemand], *, decision_id: UUID, now: datetime) -> None:
    """Write the units into the windows; the caller has seen `first_exhausted` say None under the locks.

    Args:
        demands: the limits.
        decision_id: the decision that takes them.
        now: the time that `lock` returned.
    """
    if not demands:
        return
    at = sql.stamp(now)
    sums = [[demand.key, at, demand.units, decision_id.hex] for demand in demands if not demand.values]
    met = [[demand.key, value, at] for demand in demands for value in demand.values]
    with sql.cursor() as cursor:
        if sums:
            cursor.executemany(_ADMIT, sums)
        if met:
            cursor.executemany(_MEET, met)


def prune(*, now: datetime, longest: timedelta) -> int:
    """Delete admissions that no window reaches any more.

    Args:
        now: aware UTC.
        longest: the longest window of any revision that could be rolled back to.

    Returns:
        How many rows were deleted.
    """
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM policies_distinct WHERE at <= %s", [sql.stamp(now - longest)])
        distinct = int(cursor.rowcount)
        cursor.execute("DELETE FROM policies_admission WHERE at <= %s", [sql.stamp(now - longest)])
        return distinct + int(cursor.rowcount)
