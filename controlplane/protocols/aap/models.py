"""Instances: installations of an agent that are told when a request has its final answer."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from django.db import models

from audit.ids import new_id
from registry.models import Agent
from registry.states import Environment

if TYPE_CHECKING:
    from typing import Self


class InstanceQuerySet(models.QuerySet["Instance"]):
    """Readings of instances."""

    def present(self) -> Self:
        """Keep those that were not removed."""
        return self.filter(removed_at=None)

    def told_at(self, moment: datetime) -> Self:
        """Keep those whose receiver is told of what happened at a moment."""
        return self.present().filter(created_at__lte=moment).exclude(url="")


class Instance(models.Model):
    """One installation of an agent in one environment. Its credential is the agent's key, which people issue."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+")
    environment = models.CharField(max_length=16, choices=Environment.choices)
    team = models.CharField(max_length=64, help_text="slug of the agent's team at that time")
    name = models.CharField(max_length=200, help_text="the agent's own words: untrusted")
    key_id = models.CharField(max_length=16, help_text="public id of the key that provisioned it")
    url = models.TextField(blank=True, help_text="of its receiver; encrypted, bound to the row; empty: none")
    secret = models.TextField(blank=True, help_text="that signs what it is told; likewise")
    registration_id = models.UUIDField(null=True, blank=True, help_text="by which its receiver expected it")
    idempotency_key = models.CharField(max_length=255)
    body_digest = models.CharField(max_length=64, help_text="SHA-256 of the canonical request body, hex")
    created_at = models.DateTimeField(help_text="UTC")
    removed_at = models.DateTimeField(null=True, blank=True, help_text="UTC")

    objects = InstanceQuerySet.as_manager()

    audit_type: ClassVar[str] = "aap_instance"

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("agent", "environment", "idempotency_key"), name="aap_one_instance_per_key"
            ),
        )  # fmt: skip

    def __str__(self) -> str:
        return self.name

    @property
    def audit_id(self) -> str:
        """The id."""
        return str(self.id)

    @property
    def audit_agent(self) -> str:
        """The agent's slug."""
        return self.agent.slug

    @property
    def audit_team(self) -> str:
        """The slug of the team at that time."""
        return self.team

    @property
    def messages(self) -> str:
        """How the keys of what its receiver is told begin."""
        return f"aap:{self.id}:"

    def place(self, column: str) -> str:
        """Say where a secret stands, for `controlplane.atrest`."""
        return f"aap_instance/{self.id}/{column}"
