"""The tables of deliveries."""

from controlplane.delivery.models.channels import Channel, ChannelQuerySet
from controlplane.delivery.models.deliveries import Attempt, Cursor, Delivery, DeliveryQuerySet
from controlplane.delivery.models.endpoints import Endpoint, EndpointQuerySet

__all__ = [
    "Attempt",
    "Channel",
    "ChannelQuerySet",
    "Cursor",
    "Delivery",
    "DeliveryQuerySet",
    "Endpoint",
    "EndpointQuerySet",
]
