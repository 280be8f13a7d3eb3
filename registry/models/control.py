"""What governs agents: keys, the verb catalogue, commands, kill switches."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from simple_history.models import HistoricalRecords

from audit.ids import new_id
from registry import states
from registry.models.agents import Agent, OfAgent, OfAgentQuerySet
from registry.models.people import Team, User
from registry.states import (
    CommandKind,
    CommandState,
    Environment,
    KeyState,
    KillScope,
    KillState,
)

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self


class Catalogue(models.Model):
    """One row whose revision is another after every change of what compiled policies depend on."""

    revision = models.PositiveBigIntegerField(default=0)
    changed_at = models.DateTimeField(null=True, blank=True, help_text="UTC")

    class Meta:
        verbose_name_plural = "catalogue"
        constraints = (models.CheckConstraint(condition=models.Q(pk=1), name="registry_one_catalogue"),)

    def __str__(self) -> str:
        return f"catalogue {self.revision}"


class VerbQuerySet(models.QuerySet["Verb"]):
    """Readings of the catalogue."""

    def visible_to(self, user: User) -> Self:
        """Keep all: the catalogue binds everyone. A closed account reads nothing."""
        return self if user.is_active else self.none()


class Verb(models.Model):
    """One kind of action, and where its facts stand in the payload (`registry.catalogue`)."""

    name = models.CharField(max_length=120, unique=True, help_text="dotted: email.send")
    spec = models.JSONField(help_text="capability, destination, units, amount, data_classes")

    history = HistoricalRecords()
    objects = VerbQuerySet.as_manager()

    audit_type: ClassVar[str] = "verb"
    audit_team = ""
    audit_agent = ""

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def audit_id(self) -> str:
        """The name."""
        return self.name


class KeyQuerySet(OfAgentQuerySet["AgentKey"]):
    """Readings of keys."""

    def live(self, now: datetime) -> Self:
        """Keep the keys that work at a moment."""
        return self.filter(state=KeyState.LIVE, expires_at__gt=now)


class AgentKey(OfAgent, models.Model):
    """A credential of one agent in one environment; its secret is never stored."""

    public_id = models.CharField(max_length=16, unique=True)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="keys")
    environment = models.CharField(max_length=16, choices=Environment.choices)
    scopes = models.JSONField(help_text="of act, ingest, llm, memory, handoff, read:self")
    mac = models.CharField(max_length=64, help_text="HMAC-SHA256 of the secret, hex")
    pepper_id = models.CharField(max_length=32)
    state = models.CharField(max_length=16, choices=KeyState.choices, default=KeyState.LIVE)
    issued_at = models.DateTimeField(help_text="UTC")
    issued_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    expires_at = models.DateTimeField(help_text="UTC")
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="UTC, to the minute")

    objects = KeyQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.KEY
    audit_type: ClassVar[str] = "key"

    class Meta:
        ordering = ("-issued_at",)
        indexes = (models.Index(fields=("agent", "environment", "state"), name="registry_key_agent"),)

    def __str__(self) -> str:
        return f"acp_live_{self.public_id}_…"

    @property
    def audit_id(self) -> str:
        """The public id."""
        return self.public_id


class CommandQuerySet(OfAgentQuerySet["Command"]):
    """Readings of commands."""

    def open(self) -> Self:
        """Keep the commands that the agent has not acknowledged."""
        return self.filter(state__in=(CommandState.REQUESTED, CommandState.DELIVERED))


class Command(OfAgent, models.Model):
    """Something the agent is told to do; it polls for it and says what came of it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="commands")
    kind = models.CharField(max_length=16, choices=CommandKind.choices)
    parameters = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=CommandState.choices, default=CommandState.REQUESTED)
    requested_at = models.DateTimeField(help_text="UTC")
    requested_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    expires_at = models.DateTimeField(help_text="UTC; not acknowledged by then, it says so")
    delivered_at = models.DateTimeField(null=True, blank=True, help_text="UTC; last handed to the agent")
    reported_at = models.DateTimeField(null=True, blank=True, help_text="UTC")
    note = models.TextField(blank=True, help_text="what the agent said")

    objects = CommandQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.COMMAND
    audit_type: ClassVar[str] = "command"

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("agent", "state"), name="registry_command_agent"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.agent.slug}"

    @property
    def audit_id(self) -> str:
        """The id."""
        return str(self.id)


class KillSwitchQuerySet(models.QuerySet["KillSwitch"]):
    """Readings of kill switches."""

    def visible_to(self, user: User) -> Self:
        """Keep those over visible teams and owned agents, and those that stop a tag or everything."""
        if user.sees_everything:
            return self
        if not user.is_active:
            return self.none()
        seen = models.Q(team__in=Team.objects.visible_to(user).values("pk"))
        owned = models.Q(scope=KillScope.AGENT, value__in=Agent.objects.filter(owner=user).values("slug"))
        return self.filter(seen | owned | models.Q(scope__in=(KillScope.TAG, KillScope.ALL)))

    def in_force(self) -> Self:
        """Keep those not lifted."""
        return self.filter(state=KillState.IN_FORCE)

    def stopping(self, agent: Agent) -> Self:
        """Keep those in force that stop one agent: it is in their scope, and was not let out."""
        named = models.Q(scope=KillScope.AGENT, value=agent.slug)
        of_team = models.Q(scope=KillScope.TEAM, value=agent.team.slug)
        tagged = models.Q(scope=KillScope.TAG, value__in=agent.tags)
        return self.covering(named | of_team | tagged).exclude(exemptions__agent=agent)

    def covering(self, named: models.Q) -> Self:
        """Keep those in force that stop everything, or what `named` says."""
        return self.in_force().filter(models.Q(scope=KillScope.ALL) | named)


class KillSwitch(models.Model):
    """Stops every agent of a scope until it is lifted."""

    scope = models.CharField(max_length=16, choices=KillScope.choices)
    value = models.CharField(max_length=120, blank=True, help_text="slug of the agent or team, or the tag")
    reason = models.TextField()
    state = models.CharField(max_length=16, choices=KillState.choices, default=KillState.IN_FORCE)
    thrown_at = models.DateTimeField(help_text="UTC")
    thrown_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    lifted_at = models.DateTimeField(null=True, blank=True, help_text="UTC")
    team = models.ForeignKey(Team, models.PROTECT, null=True, blank=True, related_name="+")

    objects = KillSwitchQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.KILL
    audit_type: ClassVar[str] = "kill_switch"

    class Meta:
        ordering = ("-thrown_at",)
        verbose_name_plural = "kill switches"
        constraints = (
            models.UniqueConstraint(
                fields=("scope", "value"),
                condition=models.Q(state=KillState.IN_FORCE),
                name="registry_one_kill_per_scope",
            ),
        )

    def __str__(self) -> str:
        return f"{self.scope} {self.value}".strip()

    @property
    def audit_id(self) -> str:
        """The row's number."""
        return str(self.pk)

    @property
    def audit_agent(self) -> str:
        """The agent's slug where the scope is one agent."""
        return self.value if self.scope == KillScope.AGENT else ""

    @property
    def audit_team(self) -> str:
        """The team concerned, or empty."""
        return self.team.slug if self.team else ""
