"""The app's registration with Django."""

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    """Django's handle on ``delivery``."""

    name = "controlplane.delivery"
    label = "delivery"
    verbose_name = "Delivery"
