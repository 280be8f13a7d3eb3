"""Scheduled work of running an installation."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from controlplane.operating import heartbeats


@shared_task(name=heartbeats.TASK)
def heartbeat(**_: Any) -> None:
    """Show that tasks are sent and done."""
    heartbeats.stamp(heartbeats.WORKER)
