"""The app's registration with Django."""

from importlib import import_module

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Django's handle on ``audit``."""

    name = "audit"

    def ready(self) -> None:
        """Register the system checks, which need models and therefore wait for this moment."""
        import_module("audit.checks")
