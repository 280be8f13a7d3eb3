"""States of what is sent out, and of where it is sent to."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices


class EndpointState(TextChoices):
    """Life of a webhook endpoint."""

    ACTIVE = "active", "Active"
    BROKEN = "broken", "Broken: only probed"
    DISABLED = "disabled", "Disabled"


class DeliveryState(TextChoices):
    """Life of one message to one place."""

    PENDING = "pending", "Pending"
    RETRYING = "retrying", "Failed, is tried again"
    DELIVERED = "delivered", "Delivered"
    DEAD = "dead", "Given up"
    CANCELLED = "cancelled", "Cancelled"


class Means(TextChoices):
    """How a message leaves."""

    WEBHOOK = "webhook", "Webhook"
    CALLBACK = "callback", "Callback"
    NOTICE = "notice", "Notification"


OPEN = (DeliveryState.PENDING, DeliveryState.RETRYING)

Table = Mapping[str, frozenset[str]]

ENDPOINT: Table = {
    EndpointState.ACTIVE: frozenset({EndpointState.BROKEN, EndpointState.DISABLED}),
    EndpointState.BROKEN: frozenset({EndpointState.ACTIVE, EndpointState.DISABLED}),
    EndpointState.DISABLED: frozenset({EndpointState.ACTIVE}),
}

_TRIED = frozenset(
    {DeliveryState.RETRYING, DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.CANCELLED},
)
DELIVERY: Table = {
    DeliveryState.PENDING: _TRIED,
    # From itself to itself with each further failure: every attempt is in the trail.
    DeliveryState.RETRYING: _TRIED,
    DeliveryState.DELIVERED: frozenset(),
    # People replay what was given up.
    DeliveryState.DEAD: frozenset({DeliveryState.PENDING}),
    DeliveryState.CANCELLED: frozenset({DeliveryState.PENDING}),
}
