"""The Celery application: ids only, results ignored, acknowledged after the work.

Started as ``celery --app controlplane.celery worker``.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

from controlplane import logging
from controlplane.environment import use_settings
from controlplane.operating.metrics import tasks as counting

use_settings()

app = Celery("controlplane")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Not an app of Django's, so it is named.
app.autodiscover_tasks(["controlplane.operating"])
counting.connect()


@setup_logging.connect
def keep_our_logging(**_details: Any) -> None:
    """Log as every other process does: a listener here is Celery's only way to leave logging alone."""
    logging.configure(settings.LOGGING)
