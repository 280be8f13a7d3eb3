"""The app's registration with Django."""

from django.apps import AppConfig


class CostsConfig(AppConfig):
    """Django's handle on ``costs``."""

    name = "costs"
