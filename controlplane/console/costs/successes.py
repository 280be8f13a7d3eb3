"""How many runs succeeded, by what a pivot of spend groups by: what one success costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Final

from django.db.models import Count

from registry.models import User
from runs.models import Run
from runs.states import RunStatus

# The column of runs for that of the pivot. A run may call several models: of one of them there is no success.
COLUMNS: Final[Mapping[str, str]] = {
    "agent": "agent__slug",
    "task": "task",
    "version": "version__number",
    "team": "team",
}


def successes_by(by: str, *, user: User, days: int, now: datetime) -> dict[str, int]:
    """Count the succeeded runs that began in the days of a pivot.

    It reads every one of them, a second for a million: asked for, not shown with every page.

    Args:
        by: of `COLUMNS`.
        user: who looks.
        days: length of the stretch, which ends today (UTC).
        now: aware UTC.

    Returns:
        By the value that a `costs.pivots.PivotRow` holds; ``0`` is no version.
    """
    first = datetime.combine(now.astimezone(UTC).date() - timedelta(days=days - 1), time.min, tzinfo=UTC)
    rows = Run.objects.visible_to(user).filter(status=RunStatus.SUCCEEDED).since(first).order_by()
    found = rows.values_list(COLUMNS[by]).annotate(Count("pk"))
    return {str(value if value is not None else 0): number for value, number in found}
