"""Saving configured objects so that their history says who changed them, and when."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from audit.actors import Acting
from registry.models import User


def save_configured(row: Any, *, by: Acting, now: datetime, fields: Collection[str] = ()) -> None:
    """Save one row of a model that carries django-simple-history.

    ``QuerySet.update()`` leaves no history, so configured rows are saved one by one.

    Args:
        row: the instance.
        by: who changed it; a system actor leaves the person empty.
        now: when, aware UTC.
        fields: the columns to write in a row that exists. Name them where the row also has
            columns that others change at the same time (a state): all columns are written else.
    """
    row._history_user = by if isinstance(by, User) else None
    row._history_date = now
    if row._state.adding:
        row.save(force_insert=True)
    else:
        row.save(update_fields=list(fields) or None)
