"""Agents, their immutable versions, and what is released where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.db import models
from simple_history.models import HistoricalRecords

from registry import states
from registry.models.people import SLUG, Team, User
from registry.states import AgentState, Enforcement, Environment, ReleaseState, Role, VersionState

if TYPE_CHECKING:
    from typing import Self


M = TypeVar("M", bound=models.Model)


class AgentQuerySet(models.QuerySet["Agent"]):
    """Readings of agents."""

    def visible_to(self, user: User) -> Self:
        """Keep the agents of the person's operated teams, and those they own; all for admins and auditors."""
        if user.sees_everything:
            return self
        if not user.is_active:
            return self.none()
        return self.filter(models.Q(owner=user) | models.Q(team__in=Team.objects.operated_by(user).values("pk")))

    def operated_by(self, user: User) -> Self:
        """Keep the agents that this person operates."""
        if not user.is_active:
            return self.none()
        if user.role == Role.ADMIN:
            return self
        return self.filter(team__in=Team.objects.operated_by(user).values("pk"))

    def active(self) -> Self:
        """Keep the agents that may ask."""
        return self.filter(state=AgentState.ACTIVE)


class Agent(models.Model):
    """A registered automation worker. It executes; it has no authority of its own."""

    slug = models.CharField(max_length=64, unique=True, validators=[SLUG])
    name = models.CharField(max_length=120)
    owner = models.ForeignKey(User, models.PROTECT, related_name="+")
    team = models.ForeignKey(Team, models.PROTECT, related_name="+")
    purpose = models.TextField(blank=True)
    capabilities = models.JSONField(default=list, help_text="of read, write, notify, execute")
    data_scopes = models.JSONField(default=list, help_text="names of the data it may touch")
    tags = models.JSONField(default=list)
    enforcement = models.CharField(max_length=16, choices=Enforcement.choices, default=Enforcement.ADVISORY)
    state = models.CharField(max_length=16, choices=AgentState.choices, default=AgentState.ACTIVE)
    state_reason = models.TextField(blank=True)
    reported_state = models.CharField(max_length=32, blank=True, help_text="what the agent last said of itself")
    epoch = models.PositiveIntegerField(
        default=1, help_text="rises when the agent is transferred; what was granted before is void"
    )
    created_at = models.DateTimeField(help_text="UTC")
    last_seen_at = models.DateTimeField(null=True, blank=True, help_text="UTC; last call with one of its keys")

    history = HistoricalRecords(excluded_fields=["state", "state_reason", "reported_state", "epoch", "last_seen_at"])
    objects = AgentQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.AGENT
    audit_type: ClassVar[str] = "agent"

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.name

    @property
    def audit_id(self) -> str:
        """The slug."""
        return self.slug

    @property
    def audit_agent(self) -> str:
        """The slug."""
        return self.slug

    @property
    def audit_team(self) -> str:
        """The slug of the answering team."""
        return self.team.slug


class OfAgent:
    """What belongs to one agent, in the trail: its agent, and whoever answers for that one now."""

    # Of the model beside it: a foreign key.
    agent: Any

    @property
    def audit_agent(self) -> str:
        """The agent's slug."""
        return str(self.agent.slug)

    @property
    def audit_team(self) -> str:
        """The slug of the answering team."""
        return str(self.agent.team.slug)


class OfAgentQuerySet(models.QuerySet[M]):
    """Readings of what belongs to one agent."""

    def visible_to(self, user: User) -> Self:
        """Keep what belongs to visible agents."""
        return self.filter(agent__in=Agent.objects.visible_to(user).values("pk"))


class VersionQuerySet(OfAgentQuerySet["AgentVersion"]):
    """Readings of versions."""


class ReleaseQuerySet(OfAgentQuerySet["Release"]):
    """Readings of releases."""


class AgentVersion(OfAgent, models.Model):
    """A snapshot of an agent's definition; immutable once it leaves draft."""

    agent = models.ForeignKey(Agent, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField(help_text="1, 2, 3 … within the agent")
    definition = models.JSONField(default=dict, help_text="prompts, model preferences, tools, configuration")
    checksum = models.CharField(max_length=64, help_text="SHA-256 of the canonical definition, hex")
    note = models.TextField(blank=True)
    state = models.CharField(max_length=16, choices=VersionState.choices, default=VersionState.DRAFT)
    created_at = models.DateTimeField(help_text="UTC")
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")

    objects = VersionQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.VERSION
    audit_type: ClassVar[str] = "version"

    class Meta:
        ordering = ("agent", "-number")
        constraints = (models.UniqueConstraint(fields=("agent", "number"), name="registry_version_number"),)

    def __str__(self) -> str:
        return f"{self.agent.slug} v{self.number}"

    @property
    def audit_id(self) -> str:
        """``<agent>/v<number>``."""
        return f"{self.agent.slug}/v{self.number}"


class Release(OfAgent, models.Model):
    """A version that is, or was, live in an environment."""

    agent = models.ForeignKey(Agent, models.PROTECT, related_name="releases")
    version = models.ForeignKey(AgentVersion, models.PROTECT, related_name="releases")
    environment = models.CharField(max_length=16, choices=Environment.choices)
    state = models.CharField(max_length=16, choices=ReleaseState.choices, default=ReleaseState.LIVE)
    released_at = models.DateTimeField(help_text="UTC")
    released_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="UTC")
    rolls_back = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="+", help_text="the release it undid"
    )

    objects = ReleaseQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.RELEASE
    audit_type: ClassVar[str] = "release"

    class Meta:
        ordering = ("-released_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("agent", "environment"),
                condition=models.Q(state=ReleaseState.LIVE),
                name="registry_one_live_release",
            ),
        )

    def __str__(self) -> str:
        return f"{self.version} in {self.environment}"

    @property
    def audit_id(self) -> str:
        """``<agent>/<environment>/<id>``."""
        return f"{self.agent.slug}/{self.environment}/{self.pk}"
