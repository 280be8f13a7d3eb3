"""What is sent: one row per message and place, its attempts, and how far each reader of the trail has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from audit.ids import new_id
from controlplane.delivery import states
from controlplane.delivery.models.channels import Channel
from controlplane.delivery.models.endpoints import Endpoint
from controlplane.delivery.states import OPEN, DeliveryState, Means
from registry.models import Team, User
from registry.states import Role

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Readings of deliveries."""

    def visible_to(self, user: User) -> Self:
        """Keep those of operated teams (as they were then), all for administrators; notifications for their person."""
        if not user.is_active:
            return self.none()
        if user.role == Role.ADMIN:
            return self.filter(~models.Q(means=Means.NOTICE) | models.Q(channel__user=user))
        teams = Team.objects.operated_by(user).values("slug")
        others = models.Q(means__in=(Means.WEBHOOK, Means.CALLBACK), team__in=teams)
        # An endpoint for everybody's events is an administrator's, and so is its log.
        not_ours = models.Q(endpoint__isnull=False, endpoint__team__isnull=True)
        return self.filter((others & ~not_ours) | models.Q(channel__user=user))

    def open(self) -> Self:
        """Keep what is still to be sent."""
        return self.filter(state__in=OPEN)

    def due(self, now: datetime) -> Self:
        """Keep what is to be sent now and that nobody is sending."""
        free = models.Q(claimed_until__isnull=True) | models.Q(claimed_until__lte=now)
        return self.open().filter(free, due_at__lte=now)


class Delivery(models.Model):
    """One message to one place. What it says are ids, kinds and digests, never a payload."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.CharField(max_length=200, unique=True, help_text="place and event: the same one is written once")
    means = models.CharField(max_length=16, choices=Means.choices, default=Means.WEBHOOK)
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, null=True, blank=True, related_name="+")
    channel = models.ForeignKey(Channel, models.SET_NULL, null=True, blank=True, related_name="+")
    event_id = models.UUIDField(help_text="the entry's id; what a receiver sees again when something comes twice")
    kind = models.CharField(max_length=64)
    team = models.CharField(max_length=64, blank=True, help_text="slug of the team at that time")
    agent = models.CharField(max_length=64, blank=True, help_text="slug of the agent concerned")
    host = models.CharField(max_length=255, blank=True, help_text="where it goes, for the log")
    body = models.TextField(help_text="the exact text that is sent")
    url = models.TextField(blank=True, help_text="of a one-off callback; encrypted, bound to the row")
    secret = models.TextField(blank=True, help_text="that signs a one-off callback; likewise")
    urgent = models.BooleanField(default=False, help_text="ignores quiet hours")
    state = models.CharField(max_length=16, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="failed ones on the schedule")
    soon = models.PositiveSmallIntegerField(default=0, help_text="times that the receiver said: not yet")
    due_at = models.DateTimeField(help_text="UTC")
    claim = models.UUIDField(null=True, blank=True, help_text="who sends it now")
    claimed_until = models.DateTimeField(null=True, blank=True, help_text="UTC; then somebody else may")
    created_at = models.DateTimeField(help_text="UTC")
    begun_at = models.DateTimeField(help_text="UTC; start of the present schedule")
    closed_at = models.DateTimeField(null=True, blank=True, help_text="UTC")
    last_status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="HTTP status of the last answer")
    last_error = models.CharField(max_length=200, blank=True, help_text="why the last attempt failed")

    objects = DeliveryQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.DELIVERY
    audit_type: ClassVar[str] = "delivery"

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "deliveries"
        indexes = (
            models.Index(
                fields=("endpoint", "due_at"),
                condition=models.Q(state__in=("pending", "retrying")),
                name="delivery_due",
            ),
            models.Index(fields=("team", "id"), name="delivery_team"),
            models.Index(fields=("endpoint", "id"), name="delivery_of_endpoint"),
        )

    def __str__(self) -> str:
        return f"{self.kind} to {self.host}"

    @property
    def audit_id(self) -> str:
        """The id."""
        return str(self.id)

    @property
    def audit_team(self) -> str:
        """The slug of the team at that time."""
        return self.team

    @property
    def audit_agent(self) -> str:
        """The slug of the agent concerned."""
        return self.agent

    def place(self, column: str) -> str:
        """Say where a secret stands, for `controlplane.atrest`."""
        return f"delivery_delivery/{self.id}/{column}"


class Attempt(models.Model):
    """One try."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="tries")
    at = models.DateTimeField(help_text="UTC; when it ended")
    milliseconds = models.PositiveIntegerField(default=0)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="HTTP status; empty: no answer")
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.status or self.error}"


class Cursor(models.Model):
    """How far a reader of the trail has come: everything up to `seq` has had its effect."""

    name = models.CharField(max_length=32, primary_key=True)
    seq = models.BigIntegerField(default=0)
    moved_at = models.DateTimeField(null=True, blank=True, help_text="UTC")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} at {self.seq}"
