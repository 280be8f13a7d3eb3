"""Scheduled work of the registry."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from audit import sql
from registry import operations


@shared_task(name="registry.expire_commands")
def expire_commands(**_: Any) -> int:
    """Say of commands that were not acknowledged in their time that they expired."""
    return operations.expire_commands(now=sql.now())


@shared_task(name="registry.dormant_check")
def dormant_check(**_: Any) -> int:
    """Record which agents have gone silent or dormant."""
    return operations.note_quiet_agents(now=sql.now())
