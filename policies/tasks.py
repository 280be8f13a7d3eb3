"""Scheduled work of policies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import shared_task

from audit import sql
from policies import limits
from policies.operations import watch

# Longer than any window that the language admits, so that rolling back never finds a window emptied.
LONGEST_WINDOW = timedelta(days=367)


@shared_task(name="policies.prune_admissions")
def prune_admissions(**_: Any) -> int:
    """Delete admissions that no window reaches any more."""
    return limits.prune(now=sql.now(), longest=LONGEST_WINDOW)


@shared_task(name="policies.watch_triggers")
def watch_triggers(**_: Any) -> int:
    """Count what is new in the trail, and fire the triggers that are above their thresholds."""
    return watch(now=sql.now())
