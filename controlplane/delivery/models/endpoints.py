"""Webhook endpoints: where events go, which ones, and how they are signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from audit.ids import new_id
from controlplane.delivery import states
from controlplane.delivery.states import EndpointState
from registry.models import Team, User
from registry.states import Role

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    """Readings of endpoints."""

    def visible_to(self, user: User) -> Self:
        """Keep those of the person's operated teams; all for administrators. Nobody else has connections."""
        if not user.is_active:
            return self.none()
        if user.role == Role.ADMIN:
            return self
        return self.filter(team__in=Team.objects.operated_by(user).values("pk"))

    def listening(self) -> Self:
        """Keep what events are written down for."""
        return self.exclude(state=EndpointState.DISABLED)

    def willing(self, now: datetime) -> Self:
        """Keep what may be tried now: active ones, and broken ones whose probe is due."""
        return self.filter(
            models.Q(state=EndpointState.ACTIVE) | models.Q(state=EndpointState.BROKEN, probe_at__lte=now)
        )


class Endpoint(models.Model):
    """Somebody's address for events. Its secrets are write-only: shown once, then their last four characters."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=80)
    team = models.ForeignKey(
        Team, models.PROTECT, null=True, blank=True, related_name="+", help_text="whose events; empty: everybody's"
    )
    url = models.CharField(max_length=2048, help_text="https, or http for a listed internal host")
    kinds = models.JSONField(default=list, help_text="kinds of events, approval.* for a family; empty: all")
    agents = models.JSONField(default=list, help_text="slugs of agents; empty: all")
    teams = models.JSONField(default=list, help_text="slugs of teams, for everybody's endpoints; empty: all")
    state = models.CharField(max_length=16, choices=EndpointState.choices, default=EndpointState.ACTIVE)
    state_reason = models.CharField(max_length=200, blank=True)
    secret = models.TextField(help_text="encrypted, bound to the row")
    secret_hint = models.CharField(max_length=4, help_text="last four characters")
    previous = models.TextField(blank=True, help_text="the secret before, encrypted; signs too until its time is over")
    previous_until = models.DateTimeField(null=True, blank=True, help_text="UTC")
    failures = models.PositiveIntegerField(default=0, help_text="in a row")
    probe_at = models.DateTimeField(null=True, blank=True, help_text="UTC; while broken, the next try")
    created_at = models.DateTimeField(help_text="UTC; events from then on")
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    revision = models.PositiveIntegerField(default=1, help_text="rises with each edit")

    objects = EndpointQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.ENDPOINT
    audit_type: ClassVar[str] = "webhook"
    audit_agent = ""

    class Meta:
        ordering = ("name", "id")
        verbose_name = "webhook"

    def __str__(self) -> str:
        return self.name

    @property
    def audit_id(self) -> str:
        """The id."""
        return str(self.id)

    @property
    def audit_team(self) -> str:
        """The slug of the team, or empty."""
        return self.team.slug if self.team else ""

    def place(self, column: str) -> str:
        """Say where a secret stands, for `controlplane.atrest`."""
        return f"delivery_endpoint/{self.id}/{column}"
