"""The app's registration with Django."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    """Django's handle on ``runs``."""

    name = "runs"
