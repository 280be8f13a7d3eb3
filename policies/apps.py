"""The app's registration with Django."""

from django.apps import AppConfig


class PoliciesConfig(AppConfig):
    """Django's handle on ``policies``."""

    name = "policies"
