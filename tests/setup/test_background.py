"""Background tasks: limits that fit together, and a schedule of tasks that exist."""

from __future__ import annotations

import pytest
from django.conf import settings

from controlplane.celery import app
from controlplane.schedule import SCHEDULE
from controlplane.supervisor import plans


def test_task_ends_before_it_is_delivered_again() -> None:
    limit = settings.CELERY_TASK_TIME_LIMIT
    assert limit < settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
    # Ctrl-C waits for the longest task.
    patience = plans.worker(settings.ENVIRONMENT, settings.BASE_DIR).patience_seconds
    assert patience > limit


def test_task_is_acknowledged_after_its_work() -> None:
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_ignore_result


@pytest.mark.django_db  # Celery runs the system checks when it imports tasks
def test_every_scheduled_task_exists() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)
