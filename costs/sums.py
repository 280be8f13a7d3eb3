"""The statements that sum usage: one definition for making rollups and for verifying them."""

from __future__ import annotations

from typing import Any

from django.db.models import Aggregate, BigIntegerField

from audit import sql
from costs.models.spend import DIMENSIONS, MEASURES
from costs.money import FULL

NAMES = ", ".join((*DIMENSIONS, *MEASURES))

_BY = ", ".join("COALESCE(version, 0)" if name == "version" else name for name in DIMENSIONS)
_COUNTED = {"calls": "COUNT(*)", "unpriced_calls": "SUM(CASE WHEN cost_nanousd IS NULL THEN 1 ELSE 0 END)"}
_WORD = 2**32


def total(column: str) -> str:
    """Return the SQL for the sum of nano-USD in a column, at most `FULL`; NULL where there is nothing to sum.

    Sums of such sums are the same as the sum of all their rows. Tokens need none of this: a call
    has few enough of them that no database holds the calls.
    """
    if sql.is_postgresql():
        return f"CAST(CASE WHEN SUM({column}) > {FULL} THEN {FULL} ELSE SUM({column}) END AS bigint)"
    # SQLite's SUM fails beyond 64 bits: summed in two halves, whatever there is to sum is short enough.
    low = f"SUM({column} & {_WORD - 1})"
    high = f"(SUM({column} >> 32) + ({low} >> 32))"
    exact = f"{high} * {_WORD} + ({low} & {_WORD - 1})"
    return f"CASE WHEN {high} >= {FULL // _WORD} THEN {FULL} ELSE {exact} END"


class Total(Aggregate):
    """`total` of a column, for querysets: instead of `django.db.models.Sum`."""

    name = "Total"
    output_field = BigIntegerField()

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:  # type: ignore[override]  # Django's own ways to shape it are fixed here
        """Write the sum."""
        return super().as_sql(compiler, connection, template=total("%(expressions)s"), **extra)


def _raw() -> str:
    return ", ".join(_COUNTED.get(name) or _sum(name) for name in MEASURES)


def _added() -> str:
    return ", ".join(_sum(name) for name in MEASURES)


def _sum(name: str) -> str:
    return f"COALESCE({total(name)}, 0)" if name == "cost_nanousd" else f"SUM({name})"


def day_of(column: str) -> str:
    """Return the SQL for the UTC day that a moment lies in, in the form in which the engine keeps moments."""
    if sql.is_postgresql():
        return f"date_trunc('day', {column} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
    return f"substr({column}, 1, 10) || ' 00:00:00'"


def of_hours(where: str = "TRUE") -> str:
    """Return the SELECT of grain, hour, dimensions and measures over raw rows that came in time."""
    return f"SELECT 'hour', hour, {_BY}, {_raw()} FROM costs_usage WHERE NOT late AND {where} GROUP BY hour, {_BY}"  # noqa: S608 - constants


def of_days(where: str = "TRUE") -> str:
    """Return the SELECT of grain, day, dimensions and measures over raw rows that came in time."""
    day = day_of("hour")
    return f"SELECT 'day', {day}, {_BY}, {_raw()} FROM costs_usage WHERE NOT late AND {where} GROUP BY {day}, {_BY}"  # noqa: S608 - constants


def of_days_by_hours(where: str) -> str:
    """Return the SELECT of grain, day, dimensions and measures over the rollups of hours."""
    by = f"{day_of('bucket_start')}, {', '.join(DIMENSIONS)}"
    return f"SELECT 'day', {by}, {_added()} FROM costs_costrollup WHERE grain = 'hour' AND {where} GROUP BY {by}"  # noqa: S608 - constants


def of_late(where: str = "TRUE") -> str:
    """Return the SELECT of day of arrival, hour, dimensions and measures over raw rows that came too late."""
    day = day_of("received_at")
    return f"SELECT {day}, hour, {_BY}, {_raw()} FROM costs_usage WHERE late AND {where} GROUP BY {day}, hour, {_BY}"  # noqa: S608 - constants
