"""Sums of usage: rollups by hour and day, and adjustments for what came too late for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db import models

from costs.models.usage import theirs
from costs.states import Grain
from registry.models import Agent, User

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

M = TypeVar("M", bound=models.Model)

DIMENSIONS = ("agent_id", "team", "environment", "version", "task", "provider", "model", "shadow")
MEASURES = (
    "calls", "unpriced_calls", "input_uncached", "cache_read", "cache_write", "output", "reasoning", "cost_nanousd",
)  # fmt: skip


class SpendQuerySet(models.QuerySet[M]):
    """Readings of sums."""

    def visible_to(self, user: User) -> Self:
        """Keep sums of operated teams (as they were then) and of owned agents; all for admins, auditors."""
        if user.sees_everything:
            return self
        return self.filter(theirs(user)) if user.is_active else self.none()

    def real(self) -> Self:
        """Keep what was spent by live versions."""
        return self.filter(shadow=False)

    def hourly(self) -> Self:
        """Keep the sums of hours."""
        return self.filter(grain=Grain.HOUR)

    def daily(self) -> Self:
        """Keep the sums of days."""
        return self.filter(grain=Grain.DAY)

    def between(self, start: datetime, end: datetime) -> Self:
        """Keep buckets that begin in a half-open stretch of time."""
        return self.filter(bucket_start__gte=start, bucket_start__lt=end)


class Spend(models.Model):
    """What sums have in common: what they are summed by, and what is summed."""

    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+", db_index=False)
    team = models.CharField(max_length=64, help_text="slug of the agent's team at that time")
    environment = models.CharField(max_length=16)
    # Zero and empty text stand for "none": NULL would escape the unique constraints.
    version = models.PositiveIntegerField(default=0, help_text="number of the agent's version, 0 for none")
    task = models.CharField(max_length=200, blank=True)
    provider = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=200)
    shadow = models.BooleanField(default=False, help_text="spent by shadow versions: kept apart")
    calls = models.BigIntegerField(help_text="number of model calls")
    unpriced_calls = models.BigIntegerField(help_text="of these, calls without a known price")
    input_uncached = models.BigIntegerField(help_text="tokens")
    cache_read = models.BigIntegerField(help_text="tokens")
    cache_write = models.BigIntegerField(help_text="tokens")
    output = models.BigIntegerField(help_text="tokens, reasoning included")
    reasoning = models.BigIntegerField(help_text="tokens; a part of output")
    cost_nanousd = models.BigIntegerField(help_text="nano-USD of the priced calls")

    class Meta:
        abstract = True


class CostRollup(Spend):
    """Sum of the usage of one hour or one day; equal to the sum of its raw rows once these are rolled up."""

    grain = models.CharField(max_length=8, choices=Grain.choices)
    bucket_start = models.DateTimeField(help_text="UTC")

    objects = SpendQuerySet["CostRollup"].as_manager()

    class Meta:
        ordering = ("-bucket_start", "agent")
        constraints = (
            models.UniqueConstraint(
                fields=(
                    "grain", "bucket_start", "agent", "team", "environment", "version", "task", "provider", "model",
                    "shadow",
                ),
                name="costs_rollup_once",
            ),
        )  # fmt: skip
        indexes = (models.Index(fields=("agent", "grain", "bucket_start"), name="costs_rollup_agent"),)

    def __str__(self) -> str:
        return f"{self.grain} {self.bucket_start:%Y-%m-%d %H:%M} {self.model}"


class Adjustment(Spend):
    """Sum of usage that was received too long after its hour: booked on the day of its arrival."""

    bucket_start = models.DateTimeField(help_text="UTC; the hour in which the calls were made")
    booked_on = models.DateTimeField(help_text="UTC; the day on which they were received")

    objects = SpendQuerySet["Adjustment"].as_manager()

    class Meta:
        ordering = ("-booked_on", "-bucket_start")
        constraints = (
            models.UniqueConstraint(
                fields=(
                    "booked_on", "bucket_start", "agent", "team", "environment", "version", "task", "provider",
                    "model", "shadow",
                ),
                name="costs_adjustment_once",
            ),
        )  # fmt: skip

    def __str__(self) -> str:
        return f"adjustment of {self.bucket_start:%Y-%m-%d %H:%M} {self.model}"


class DirtyBucket(models.Model):
    """An agent's hour whose sums no longer equal its raw rows.

    Written in the transaction that changed the raw rows, and only ever added to: a mark that
    was shared could be taken away by a rollup that did not see those rows yet.
    """

    hour = models.DateTimeField(help_text="UTC")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+", db_index=False)

    class Meta:
        verbose_name = "bucket to roll up"
        verbose_name_plural = "buckets to roll up"

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M} of {self.agent_id}"
