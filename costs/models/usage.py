"""Usage: the tokens of one model call and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from audit.ids import new_id
from costs.prices import Tokens
from registry.models import Agent, User, within_reach

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self


def theirs(user: User) -> models.Q:
    """Return the condition for rows of a person's operated teams (as they were then) and owned agents."""
    return within_reach(user)


class UsageQuerySet(models.QuerySet["Usage"]):
    """Readings of usage."""

    def visible_to(self, user: User) -> Self:
        """Keep usage of operated teams (as they were then) and of owned agents; all for admins, auditors."""
        if user.sees_everything:
            return self
        return self.filter(theirs(user)) if user.is_active else self.none()

    def real(self) -> Self:
        """Keep what was spent by live versions."""
        return self.filter(shadow=False)

    def unpriced(self) -> Self:
        """Keep calls whose model has no known price."""
        return self.filter(cost_nanousd=None)

    def since(self, moment: datetime) -> Self:
        """Keep calls made at or after a moment."""
        return self.filter(at__gte=moment)


class Usage(models.Model):
    """One model call. Its price changes only by re-rating."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The composite indexes below serve this key.
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+", db_index=False)
    event_id = models.CharField(max_length=200, help_text="the reporter's own id of this call")
    response_id = models.CharField(max_length=200, blank=True, help_text="the provider's id of its answer")
    team = models.CharField(max_length=64, help_text="slug of the agent's team at that time")
    environment = models.CharField(max_length=16)
    version = models.PositiveIntegerField(null=True, blank=True, help_text="number of the agent's version")
    task = models.CharField(max_length=200, blank=True)
    provider = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=200)
    run_id = models.UUIDField(null=True, blank=True)
    step_id = models.UUIDField(null=True, blank=True)
    decision_id = models.UUIDField(null=True, blank=True, help_text="the action that had leave for this call")
    input_uncached = models.BigIntegerField(default=0, help_text="tokens, disjoint from the cached ones")
    cache_read = models.BigIntegerField(default=0, help_text="tokens")
    cache_write = models.BigIntegerField(default=0, help_text="tokens")
    output = models.BigIntegerField(default=0, help_text="tokens, reasoning included")
    reasoning = models.BigIntegerField(default=0, help_text="tokens; a part of output, never added to it")
    cost_nanousd = models.BigIntegerField(null=True, blank=True, help_text="nano-USD; null: unpriced")
    price_version = models.CharField(max_length=64, blank=True, help_text="the price list that priced it")
    at = models.DateTimeField(help_text="UTC; when the call was made, by its reporter")
    hour = models.DateTimeField(help_text="UTC; the hour that `at` lies in")
    received_at = models.DateTimeField(help_text="UTC")
    late = models.BooleanField(default=False, help_text="received too long after the call: accounted by an adjustment")
    shadow = models.BooleanField(default=False, help_text="spent by a shadow version: kept apart")

    objects = UsageQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "usage"
        constraints = (
            models.UniqueConstraint(fields=("agent", "event_id"), name="costs_usage_event"),
            models.UniqueConstraint(
                fields=("agent", "response_id"),
                condition=~models.Q(response_id=""),
                name="costs_usage_response",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    input_uncached__gte=0, cache_read__gte=0, cache_write__gte=0, output__gte=0, reasoning__gte=0
                ),
                name="costs_usage_tokens",
            ),
            models.CheckConstraint(
                condition=models.Q(cost_nanousd=None) | models.Q(cost_nanousd__gte=0), name="costs_usage_cost"
            ),
        )
        indexes = (
            models.Index(fields=("hour", "agent"), name="costs_usage_bucket"),
            models.Index(fields=("agent", "at"), name="costs_usage_agent"),
            models.Index(fields=("team", "at"), name="costs_usage_team"),
            models.Index(fields=("run_id",), name="costs_usage_run"),
            models.Index(fields=("decision_id",), name="costs_usage_decision"),
            models.Index(fields=("model",), name="costs_usage_model"),
        )

    def __str__(self) -> str:
        return f"{self.model} {self.event_id}"

    @property
    def tokens(self) -> Tokens:
        """The counts that are priced."""
        return Tokens(self.input_uncached, self.cache_read, self.cache_write, self.output, self.reasoning)
