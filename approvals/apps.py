"""The app's registration with Django."""

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    """Django's handle on ``approvals``."""

    name = "approvals"
