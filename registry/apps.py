"""The app's registration with Django."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """Django's handle on ``registry``."""

    name = "registry"
