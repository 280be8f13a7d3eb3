"""Steps: units of work inside a run, and what went in and out of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from django.db import models

from audit.ids import new_id
from registry.models import Agent, User
from runs import states
from runs.models.failures import Failure
from runs.models.runs import Run
from runs.preparing import PAYLOAD_LIMIT
from runs.states import RunStatus, StepKind

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

# A thousand years: a duration that is nonsense must not leave the calendar.
_LONGEST_MS = 1000 * 365 * 86_400_000


class StepQuerySet(models.QuerySet["Step"]):
    """Readings of steps."""

    def visible_to(self, user: User) -> Self:
        """Keep the steps of visible runs."""
        if user.sees_everything:
            return self
        return self.filter(run__in=Run.objects.visible_to(user).values("pk"))

    def in_order(self) -> Self:
        """Order as they happened."""
        return self.order_by("started_at", "position", "id")

    def failed(self) -> Self:
        """Keep steps that failed or crashed."""
        return self.filter(status__in=sorted(states.FAILED))


class Step(models.Model):
    """One unit of work inside a run. What went in and out is kept apart, in `Payload`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, help_text="UUIDv7")
    run = models.ForeignKey(Run, models.PROTECT, related_name="steps", db_index=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+", db_index=False)
    event_id = models.CharField(max_length=255, help_text="the reporter's id, unique per agent")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=16, choices=StepKind.choices, default=StepKind.OTHER)
    status = models.CharField(max_length=16, choices=RunStatus.choices, default=RunStatus.RUNNING)
    started_at = models.DateTimeField(help_text="UTC, as the agent tells it, at most now")
    duration_ms = models.BigIntegerField(null=True, blank=True, help_text="milliseconds")
    position = models.BigIntegerField(default=0, help_text="orders steps that began in the same instant")
    received_at = models.DateTimeField(help_text="UTC, server's time of the first report")
    error_type = models.CharField(max_length=200, blank=True)
    error_message = models.TextField(blank=True)
    usage = models.JSONField(
        null=True, blank=True,
        help_text="tokens in disjoint buckets, as reported: provider, model, input_uncached, cache_read, cache_write, "
        "output, reasoning (part of output), response_id",
    )  # fmt: skip
    decision_id = models.UUIDField(null=True, blank=True, help_text="the action that it carries out")
    input_size = models.BigIntegerField(null=True, blank=True, help_text="bytes, before truncation")
    input_sha256 = models.CharField(max_length=64, blank=True, help_text="of the whole redacted text, hex")
    output_size = models.BigIntegerField(null=True, blank=True, help_text="bytes, before truncation")
    output_sha256 = models.CharField(max_length=64, blank=True, help_text="of the whole redacted text, hex")
    failure = models.ForeignKey(Failure, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False)
    flags = models.JSONField(
        default=dict, blank=True,
        help_text="clamped, backfilled, conflicting_terminal (the refused status), conflicting_content",
    )  # fmt: skip
    seen = models.JSONField(default=list, blank=True, help_text="digests of the latest reports taken")

    objects = StepQuerySet.as_manager()

    audit_type: ClassVar[str] = "step"

    class Meta:
        ordering = ("started_at", "position", "id")
        constraints = (
            models.UniqueConstraint(fields=("agent", "event_id"), name="runs_step_event"),
            models.CheckConstraint(condition=models.Q(status__in=RunStatus.values), name="runs_step_status"),
            models.CheckConstraint(condition=models.Q(kind__in=StepKind.values), name="runs_step_kind"),
        )
        indexes = (
            models.Index(fields=("run", "started_at", "position"), name="runs_step_order"),
            models.Index(
                fields=("failure", "-started_at"),
                condition=models.Q(failure__isnull=False),
                name="runs_step_failure",
            ),
            models.Index(
                fields=("decision_id",), condition=models.Q(decision_id__isnull=False), name="runs_step_decision"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return states.is_final(self.status)

    @property
    def ended_at(self) -> datetime:
        """When it ended, as the agent tells it; its start while the duration is unknown."""
        return self.started_at + timedelta(milliseconds=min(self.duration_ms or 0, _LONGEST_MS))

    @property
    def input_truncated(self) -> bool:
        """Whether only the beginning of the input is kept."""
        return (self.input_size or 0) > PAYLOAD_LIMIT

    @property
    def output_truncated(self) -> bool:
        """Whether only the beginning of the output is kept."""
        return (self.output_size or 0) > PAYLOAD_LIMIT

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
        """The slug of the run's team at that time."""
        return self.run.team


class Payload(models.Model):
    """What went in and out of a step, redacted, up to 64 KiB each; erasable.

    A table of its own: lists of steps stay small, no page shows content by accident, and what
    is erased here leaves sizes and hashes in place. Read it through `operations.read_payload`.
    """

    step = models.OneToOneField(Step, models.CASCADE, primary_key=True, related_name="payload")
    input = models.TextField(blank=True)
    output = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"payload of {self.step_id}"
