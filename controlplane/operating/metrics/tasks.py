"""Counting background tasks, and beat's signs of life: listeners of Celery's own signals."""

from __future__ import annotations

import time
from typing import Any

from celery import signals

from controlplane.operating import heartbeats
from controlplane.operating.metrics import counts

_began: dict[str, float] = {}


def connect() -> None:
    """Listen; called once, by the Celery application."""
    signals.task_prerun.connect(_note_start)
    signals.task_postrun.connect(_count)
    signals.before_task_publish.connect(_stamp_beat, sender=heartbeats.TASK)
    signals.beat_init.connect(_stamp_beat)
    signals.worker_ready.connect(_stamp_worker)


def _note_start(task_id: str = "", **_: Any) -> None:
    _began[task_id] = time.perf_counter()


def _count(task_id: str = "", task: Any = None, state: str | None = None, **_: Any) -> None:
    began = _began.pop(task_id, None)
    seconds = None if began is None else time.perf_counter() - began
    counts.worked(task=getattr(task, "name", "unknown"), result=(state or "unknown").lower(), seconds=seconds)


def _stamp_beat(**_: Any) -> None:
    heartbeats.stamp(heartbeats.BEAT)


def _stamp_worker(sender: Any = None, **_: Any) -> None:
    is_sender = str(getattr(sender, "hostname", "")).startswith(f"{heartbeats.SENDER}@")
    heartbeats.stamp(heartbeats.SENDER if is_sender else heartbeats.WORKER)
