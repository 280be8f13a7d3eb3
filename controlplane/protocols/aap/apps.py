"""The app's registration with Django."""

from django.apps import AppConfig


class AapConfig(AppConfig):
    """Django's handle on ``aap``."""

    name = "controlplane.protocols.aap"
    label = "aap"
    verbose_name = "Agent Approval Protocol"
