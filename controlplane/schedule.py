"""The static schedule of everything that runs by itself; times in seconds."""

from __future__ import annotations

from typing import Any

from celery.schedules import crontab

SCHEDULE: dict[str, dict[str, Any]] = {}
