"""Threshold triggers: what they watch, what was counted, and when they fired."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from simple_history.models import HistoricalRecords

from audit.ids import new_id
from policies import states
from policies.states import FiringState, Measure, TriggerMode
from registry.models import Agent, Team, User
from registry.states import Role

if TYPE_CHECKING:
    from typing import Self

EVERYONE = "everyone"


class TriggerQuerySet(models.QuerySet["Trigger"]):
    """Readings of triggers."""

    def visible_to(self, user: User) -> Self:
        """Keep those over operated teams, their agents, owned agents, and everyone; all for admins, auditors."""
        if user.sees_everything:
            return self
        if not user.is_active or user.role not in {Role.OPERATOR, Role.OWNER}:
            return self.none()
        teams = Team.objects.operated_by(user).values("pk")
        over = models.Q(team__in=teams) | models.Q(agent__team__in=teams) | models.Q(agent__owner=user)
        return self.filter(over | models.Q(team=None, agent=None))

    def on(self) -> Self:
        """Keep what watches."""
        return self.exclude(mode=TriggerMode.OFF)


class Trigger(models.Model):
    """A threshold over what the trail counts in a sliding window. It only ever stops; people let go on."""

    slug = models.CharField(max_length=64, unique=True)
    measure = models.CharField(max_length=16, choices=Measure.choices)
    agent = models.ForeignKey(Agent, models.PROTECT, null=True, blank=True, related_name="+")
    team = models.ForeignKey(Team, models.PROTECT, null=True, blank=True, related_name="+")
    each_agent = models.BooleanField(default=False, help_text="every agent of the scope is counted by itself")
    more_than = models.BigIntegerField(help_text="fires above it; nano-USD for spend")
    window_seconds = models.PositiveIntegerField(help_text="seconds; counted in whole minutes")
    mode = models.CharField(max_length=16, choices=TriggerMode.choices, default=TriggerMode.SHADOW)
    note = models.TextField(blank=True, help_text="for the reader")
    tried_digest = models.CharField(max_length=64, blank=True, help_text="of the definition tried on history, hex")
    tried_at = models.DateTimeField(null=True, blank=True, help_text="UTC")
    trial = models.JSONField(default=dict, blank=True, help_text="when it would have fired; `policies.triggers.trying`")

    history = HistoricalRecords(excluded_fields=["tried_digest", "tried_at", "trial"])
    objects = TriggerQuerySet.as_manager()

    audit_type: ClassVar[str] = "trigger"

    class Meta:
        ordering = ("slug",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(agent=None) | models.Q(team=None), name="policies_trigger_one_scope"
            ),
            models.CheckConstraint(condition=models.Q(more_than__gte=0), name="policies_trigger_threshold"),
        )

    def __str__(self) -> str:
        return self.slug

    @property
    def audit_id(self) -> str:
        """The slug."""
        return self.slug

    @property
    def audit_agent(self) -> str:
        """The slug of the agent watched, or empty."""
        return self.agent.slug if self.agent else ""

    @property
    def audit_team(self) -> str:
        """The slug of the team concerned, or empty."""
        if self.agent:
            return self.agent.team.slug
        return self.team.slug if self.team else ""


class FiringQuerySet(models.QuerySet["Firing"]):
    """Readings of firings."""

    def visible_to(self, user: User) -> Self:
        """Keep firings of visible triggers that concern operated teams or owned agents; all for admins, auditors."""
        if user.sees_everything:
            return self
        if not user.is_active or user.role not in {Role.OPERATOR, Role.OWNER}:
            return self.none()
        teams = Team.objects.operated_by(user).values("slug")
        return self.filter(models.Q(concerns__in=teams) | models.Q(agent__owner=user))

    def open(self) -> Self:
        """Keep what was not armed again."""
        return self.filter(state=FiringState.FIRED)


class Firing(models.Model):
    """One excursion above a trigger's threshold. While it is open, the trigger does not fire again for its subject."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False, help_text="UUIDv7")
    trigger = models.ForeignKey(Trigger, models.PROTECT, related_name="+")
    subject = models.CharField(max_length=64, help_text="slug of the agent or team, or “everyone”")
    agent = models.ForeignKey(Agent, models.PROTECT, null=True, blank=True, related_name="+")
    concerns = models.CharField(max_length=64, blank=True, help_text="slug of the team concerned then; empty: all")
    state = models.CharField(max_length=16, choices=FiringState.choices, default=FiringState.FIRED)
    mode = models.CharField(max_length=16, choices=TriggerMode.choices, help_text="of the trigger then")
    measured = models.BigIntegerField(help_text="what was counted; nano-USD for spend")
    more_than = models.BigIntegerField(help_text="the threshold then")
    window_seconds = models.PositiveIntegerField(help_text="seconds, then")
    paused = models.JSONField(default=list, help_text="slugs of the agents that it paused")
    at = models.DateTimeField(help_text="UTC")
    rearmed_at = models.DateTimeField(null=True, blank=True, help_text="UTC")
    rearmed_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", help_text="empty: the count fell below"
    )

    objects = FiringQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.FIRING
    audit_type: ClassVar[str] = "firing"

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("trigger", "subject"),
                condition=models.Q(state=FiringState.FIRED),
                name="policies_one_open_firing",
            ),
        )
        indexes = (models.Index(fields=("trigger", "subject", "id"), name="policies_firing_subject"),)

    def __str__(self) -> str:
        return f"{self.trigger} for {self.subject}"

    @property
    def audit_id(self) -> str:
        """The id."""
        return str(self.id)

    @property
    def audit_agent(self) -> str:
        """The slug of the agent concerned, or empty."""
        return self.agent.slug if self.agent else ""

    @property
    def audit_team(self) -> str:
        """The slug of the team concerned then."""
        return self.concerns


class Counted(models.Model):
    """What the trail says of one agent in one minute; drawn from the trail once, by a cursor."""

    measure = models.CharField(max_length=16, choices=Measure.choices)
    minute = models.DateTimeField(help_text="UTC; the minute's beginning")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+", db_index=False)
    team = models.CharField(max_length=64, help_text="slug of the agent's team at that time")
    amount = models.BigIntegerField(help_text="how many; nano-USD for spend")

    class Meta:
        verbose_name = "counted minute"
        constraints = (
            models.UniqueConstraint(fields=("measure", "minute", "agent", "team"), name="policies_counted_once"),
        )
        indexes = (models.Index(fields=("measure", "agent", "minute"), name="policies_counted_agent"),)

    def __str__(self) -> str:
        return f"{self.amount} {self.measure} at {self.minute:%Y-%m-%d %H:%M}"


class CountingCursor(models.Model):
    """How far the trail has been counted: one row."""

    seq = models.BigIntegerField(default=0, help_text="of the last entry counted")
    since = models.DateTimeField(help_text="UTC; what came before was not counted")
    until = models.DateTimeField(help_text="UTC; counted up to here")

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(pk=1), name="policies_one_counting_cursor"),)

    def __str__(self) -> str:
        return f"counted to {self.seq}"
