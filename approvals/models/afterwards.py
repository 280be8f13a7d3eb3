"""What is known afterwards: where an agent's actions succeeded, and which decisions people call wrong."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar

from django.db import models

from approvals.states import Verdict
from policies.models import Decision
from registry.models import Agent, User

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self


def digest_of(destination: str) -> str:
    """Return what a destination is found by: an index of PostgreSQL holds no text of 2,048 characters."""
    return hashlib.sha256(destination.encode()).hexdigest()


class KnownDestinationQuerySet(models.QuerySet["KnownDestination"]):
    """Readings of first-seen destinations."""

    def of_agent(self, agent_id: int, destinations: Iterable[str]) -> Self:
        """Keep those of the given destinations at which an action of the agent succeeded."""
        return self.filter(agent=agent_id, digest__in=[digest_of(text) for text in destinations])


class KnownDestination(models.Model):
    """The first time that an action of an agent succeeded at a destination."""

    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+", db_index=False)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the destination, hex")
    destination = models.CharField(max_length=2048, help_text="normalised, as extracted")
    first_at = models.DateTimeField(help_text="UTC; when the outcome was reported")

    objects = KnownDestinationQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("agent", "digest"), name="approvals_first_seen"),)

    def __str__(self) -> str:
        return f"{self.agent_id} knows {self.destination}"


class Override(models.Model):
    """What one person says a closed decision should have been. It changes nothing but the rates of overrides."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="+")
    should = models.CharField(max_length=16, choices=Verdict.choices, help_text="what it should have been")
    reason = models.TextField()
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField(help_text="UTC")

    audit_type: ClassVar[str] = "action"

    class Meta:
        ordering = ("-at",)
        constraints = (models.UniqueConstraint(fields=("decision", "by"), name="approvals_one_override_each"),)

    def __str__(self) -> str:
        return f"{self.decision_id} should have been {self.should}"
