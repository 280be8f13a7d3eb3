"""Runs: executions of agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from audit.ids import new_id
from registry.models import Agent, AgentVersion, User, within_reach
from registry.states import Environment
from runs import states
from runs.models.failures import Failure
from runs.preparing import name_uuid
from runs.states import RunSource, RunStatus

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import Self

STUB = "stub"


class RunQuerySet(models.QuerySet["Run"]):
    """Readings of runs. Lists are pages by (`-started_at`, `-id`): nothing here counts rows."""

    def visible_to(self, user: User) -> Self:
        """Keep runs of operated teams (the run's team of its time) and of owned agents; all for some roles."""
        if user.sees_everything:
            return self
        if not user.is_active:
            return self.none()
        return self.filter(within_reach(user))

    def of_agent(self, agent: Agent | int) -> Self:
        """Keep the runs of one agent."""
        return self.filter(agent=agent)

    def named(self, name: str) -> Self:
        """Keep runs with this event id, id or external id, the best match first; combine with `of_agent`."""
        matches = models.Q(event_id=name) | models.Q(external_id=name)
        identity = name_uuid(name)
        if identity is not None:
            matches |= models.Q(pk=identity)
        rank = models.Case(models.When(event_id=name, then=0), models.When(external_id=name, then=2), default=1)
        return self.filter(matches).order_by(rank, "-id")

    def open(self) -> Self:
        """Keep runs that have not ended."""
        return self.filter(status__in=(RunStatus.RUNNING, RunStatus.WAITING))

    def failed(self) -> Self:
        """Keep runs that failed or crashed."""
        return self.filter(status__in=sorted(states.FAILED))

    def since(self, moment: datetime) -> Self:
        """Keep runs that started at or after a moment."""
        return self.filter(started_at__gte=moment)

    def quiet_since(self, moment: datetime) -> Self:
        """Keep open runs of which nothing was heard since a moment, by the server's clock."""
        return self.open().filter(last_event_at__lt=moment)

    def with_agent(self) -> Self:
        """Fetch agent and version along with each run, as lists show them."""
        return self.select_related("agent", "version")


class Run(models.Model):
    """One execution of an agent, as it reported it. Its status changes in ingest only."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, help_text="UUIDv7")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+", db_index=False)
    team = models.CharField(max_length=64, help_text="slug of the agent's team at that time")
    environment = models.CharField(max_length=16, choices=Environment.choices)
    version = models.ForeignKey(AgentVersion, models.PROTECT, null=True, blank=True, related_name="+")
    external_version = models.CharField(
        max_length=128, blank=True, help_text="the version's id in the system that ran it"
    )
    event_id = models.CharField(max_length=255, help_text="the reporter's id, unique per agent")
    external_id = models.CharField(max_length=255, blank=True, help_text="another name, such as n8n's id")
    source = models.CharField(max_length=16, choices=RunSource.choices, default=RunSource.API)
    trigger_source = models.CharField(max_length=64, blank=True, help_text="webhook, schedule, …")
    trigger_detail = models.TextField(blank=True)
    task = models.CharField(max_length=120, blank=True)
    status = models.CharField(max_length=16, choices=RunStatus.choices, default=RunStatus.RUNNING)
    started_at = models.DateTimeField(help_text="UTC, as the agent tells it, at most now")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="UTC, as the agent tells it")
    received_at = models.DateTimeField(help_text="UTC, server's time of the first report")
    last_event_at = models.DateTimeField(help_text="UTC, server's time of the last report, its steps included")
    error_type = models.CharField(max_length=200, blank=True)
    error_message = models.TextField(blank=True)
    output_summary = models.TextField(blank=True)
    # NULL and not "": what was never named stays out of the partial indexes.
    parent_ref = models.CharField(max_length=255, null=True, blank=True, help_text="name of the starting run")
    retry_ref = models.CharField(max_length=255, null=True, blank=True, help_text="name of the repeated run")
    parent_run = models.UUIDField(null=True, blank=True, help_text="the run that parent_ref names, once known")
    retry_of = models.UUIDField(null=True, blank=True, help_text="the run that retry_ref names, once known")
    failure = models.ForeignKey(Failure, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False)
    flags = models.JSONField(
        default=dict, blank=True,
        help_text="stub, clamped, backfilled, conflicting_terminal (the refused status), conflicting_content",
    )  # fmt: skip
    seen = models.JSONField(default=list, blank=True, help_text="digests of the latest reports taken")

    objects = RunQuerySet.as_manager()

    audit_type: ClassVar[str] = "run"

    class Meta:
        ordering = ("-started_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("agent", "event_id"), name="runs_run_event"),
            models.CheckConstraint(condition=models.Q(status__in=RunStatus.values), name="runs_run_status"),
        )
        indexes = (
            models.Index(fields=("agent", "external_id"), name="runs_run_external"),
            models.Index(fields=("-started_at", "-id"), name="runs_run_started"),
            models.Index(fields=("agent", "-started_at", "-id"), name="runs_run_agent_started"),
            models.Index(fields=("team", "-started_at", "-id"), name="runs_run_team_started"),
            models.Index(fields=("status", "-started_at", "-id"), name="runs_run_status_started"),
            models.Index(
                fields=("failure", "-started_at"),
                condition=models.Q(failure__isnull=False),
                name="runs_run_failure",
            ),
            models.Index(
                fields=("agent", "parent_ref"),
                condition=models.Q(parent_ref__isnull=False, parent_run__isnull=True),
                name="runs_run_unlinked_parent",
            ),
            models.Index(
                fields=("agent", "retry_ref"),
                condition=models.Q(retry_ref__isnull=False, retry_of__isnull=True),
                name="runs_run_unlinked_retry",
            ),
        )

    def __str__(self) -> str:
        return self.external_id or self.event_id

    @property
    def is_stub(self) -> bool:
        """Whether only its name is known: something referred to it, nobody reported it yet."""
        return bool(self.flags.get(STUB))

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return states.is_final(self.status)

    @property
    def duration(self) -> timedelta | None:
        """How long it took; ``None`` while unknown."""
        return self.ended_at - self.started_at if self.ended_at else None

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
