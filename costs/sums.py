"""The statements that sum usage: one definition for making rollups and for verifying them."""

from __future__ import annotations

from audit import sql
from costs.models.spend import DIMENSIONS, MEASURES

NAMES = ", ".join((*DIMENSIONS, *MEASURES))

_BY = ", ".join("COALESCE(version, 0)" if name == "version" else name for name in DIMENSIONS)
_COUNTED = {
    "calls": "COUNT(*)",
    "unpriced_calls": "SUM(CASE WHEN cost_nanousd IS NULL THEN 1 ELSE 0 END)",
    "cost_nanousd": "COALESCE(SUM(cost_nanousd), 0)",
}
_RAW = ", ".join(_COUNTED.get(name, f"SUM({name})") for name in MEASURES)
_ADDED = ", ".join(f"SUM({name})" for name in MEASURES)


def day_of(column: str) -> str:
    """Return the SQL for the UTC day that a moment lies in, in the form in which the engine keeps moments."""
    if sql.is_postgresql():
        return f"date_trunc('day', {column} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
    return f"substr({column}, 1, 10) || ' 00:00:00'"


def of_hours(where: str = "TRUE") -> str:
    """Return the SELECT of grain, hour, dimensions and measures over raw rows that came in time."""
    return f"SELECT 'hour', hour, {_BY}, {_RAW} FROM costs_usage WHERE NOT late AND {where} GROUP BY hour, {_BY}"  # noqa: S608 - constants


def of_days(where: str = "TRUE") -> str:
    """Return the SELECT of grain, day, dimensions and measures over raw rows that came in time."""
    day = day_of("hour")
    return f"SELECT 'day', {day}, {_BY}, {_RAW} FROM costs_usage WHERE NOT late AND {where} GROUP BY {day}, {_BY}"  # noqa: S608 - constants


def of_days_by_hours(where: str) -> str:
    """Return the SELECT of grain, day, dimensions and measures over the rollups of hours."""
    by = f"{day_of('bucket_start')}, {', '.join(DIMENSIONS)}"
    return f"SELECT 'day', {by}, {_ADDED} FROM costs_costrollup WHERE grain = 'hour' AND {where} GROUP BY {by}"  # noqa: S608 - constants


def of_late(where: str = "TRUE") -> str:
    """Return the SELECT of day of arrival, hour, dimensions and measures over raw rows that came too late."""
    day = day_of("received_at")
    return f"SELECT {day}, hour, {_BY}, {_RAW} FROM costs_usage WHERE late AND {where} GROUP BY {day}, hour, {_BY}"  # noqa: S608 - constants
