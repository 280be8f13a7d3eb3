"""The project's registration with Django: its commands, templates and system checks."""

from django.apps import AppConfig
from django.core import checks as registry

from controlplane import checks


class ControlplaneConfig(AppConfig):
    """Django's handle on ``controlplane``."""

    name = "controlplane"
    verbose_name = "Control plane"

    def ready(self) -> None:
        """Register the checks of the deployment."""
        for check, tags in checks.CHECKS:
            registry.register(check, *tags)
