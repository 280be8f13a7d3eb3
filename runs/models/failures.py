"""Failures: what went wrong in the same way, counted once per kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from audit.ids import new_id
from registry.models import Agent, AgentVersion, User
from runs import states
from runs.states import FailureState

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self


class FailureQuerySet(models.QuerySet["Failure"]):
    """Readings of failures."""

    def visible_to(self, user: User) -> Self:
        """Keep the failures of visible agents: a failure spans time, so it follows its agent."""
        return self.filter(agent__in=Agent.objects.visible_to(user).values("pk"))

    def open(self) -> Self:
        """Keep those that nobody has resolved, or that came back."""
        return self.exclude(state=FailureState.RESOLVED)

    def muted(self, now: datetime) -> Self:
        """Keep those that are silenced at a moment."""
        return self.filter(models.Q(muted_until__gt=now) | models.Q(muted_until_count__gt=models.F("count")))

    def unmuted(self, now: datetime) -> Self:
        """Keep those that are not silenced at a moment."""
        return self.exclude(pk__in=self.muted(now).values("pk"))

    def since(self, moment: datetime) -> Self:
        """Keep those seen at or after a moment."""
        return self.filter(last_seen__gte=moment)


class Failure(models.Model):
    """Failing runs and steps of one agent that share a fingerprint (`runs.fingerprints`).

    Muted, it still counts: `muted_until` and `muted_until_count` are compared at use.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, help_text="UUIDv7")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+", db_index=False)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256, hex")
    error_type = models.CharField(max_length=200, blank=True)
    message = models.TextField(blank=True, help_text="of the first occurrence, redacted")
    step_name = models.CharField(max_length=200, blank=True, help_text="empty: the run as a whole")
    state = models.CharField(max_length=16, choices=FailureState.choices, default=FailureState.NEW)
    count = models.PositiveBigIntegerField(default=0, help_text="occurrences")
    first_seen = models.DateTimeField(help_text="UTC, as the agent tells it")
    last_seen = models.DateTimeField(help_text="UTC, as the agent tells it")
    first_version = models.ForeignKey(AgentVersion, models.PROTECT, null=True, blank=True, related_name="+")
    resolved_at = models.DateTimeField(null=True, blank=True, help_text="UTC")
    resolved_in = models.ForeignKey(
        AgentVersion, models.PROTECT, null=True, blank=True, related_name="+",
        help_text="occurrences in earlier versions do not bring it back",
    )  # fmt: skip
    muted_until = models.DateTimeField(null=True, blank=True, help_text="UTC")
    muted_until_count = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="silent until this many occurrences"
    )
    assigned_to = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")

    objects = FailureQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.FAILURE
    audit_type: ClassVar[str] = "failure"

    class Meta:
        ordering = ("-last_seen", "-id")
        constraints = (
            models.UniqueConstraint(fields=("agent", "fingerprint"), name="runs_failure_fingerprint"),
            models.CheckConstraint(condition=models.Q(state__in=FailureState.values), name="runs_failure_state"),
        )
        indexes = (
            models.Index(fields=("-last_seen", "-id"), name="runs_failure_seen"),
            models.Index(fields=("state", "-last_seen"), name="runs_failure_state_seen"),
            models.Index(fields=("agent", "-last_seen"), name="runs_failure_agent_seen"),
        )

    def __str__(self) -> str:
        where = f" in {self.step_name}" if self.step_name else ""
        return f"{self.error_type or 'Failure'}{where}"

    def is_muted(self, now: datetime) -> bool:
        """Say whether it is silenced at a moment."""
        return (self.muted_until is not None and self.muted_until > now) or (
            self.muted_until_count is not None and self.muted_until_count > self.count
        )

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
        """The slug of the answering team."""
        return self.agent.team.slug
