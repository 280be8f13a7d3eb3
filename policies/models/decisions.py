"""Revisions of the policy set, decisions with their reasons, and what limits have admitted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from django.db import models

from audit.ids import floor_id, new_id
from policies import states
from policies.states import Effect, RevisionState
from registry.models import Agent, User, within_reach
from registry.states import Environment, Role

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self


# How far a clock may step back between the making of an id and the decision's own time.
SLACK = timedelta(hours=1)
_READERS = frozenset({Role.ADMIN, Role.OPERATOR, Role.OWNER, Role.AUDITOR})


class RevisionQuerySet(models.QuerySet["Revision"]):
    """Readings of revisions."""

    def visible_to(self, user: User) -> Self:
        """Keep all, as policies bind everyone; reviewers see what their queues hold, and no policies."""
        return self if user.is_active and user.role in _READERS else self.none()


class Revision(models.Model):
    """One state of the whole policy set; numbers only rise, at most one is published."""

    number = models.PositiveIntegerField(unique=True)
    state = models.CharField(max_length=16, choices=RevisionState.choices, default=RevisionState.DRAFT)
    document = models.JSONField(help_text="policies by slug, in the form of `policies.language`")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the canonical document, hex")
    reason = models.TextField(blank=True)
    base = models.PositiveIntegerField(
        null=True, blank=True, help_text="number of the revision in force when it was written, 0 for none"
    )
    restores = models.PositiveIntegerField(null=True, blank=True, help_text="number of the revision it copies")
    tests_run = models.PositiveIntegerField(default=0)
    replays = models.JSONField(
        default=list, blank=True, help_text="finished replays of its digest that its publisher was shown"
    )
    author = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(help_text="UTC")
    published_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    published_at = models.DateTimeField(null=True, blank=True, help_text="UTC")

    objects = RevisionQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.REVISION
    audit_type: ClassVar[str] = "policy_revision"
    audit_team = ""
    audit_agent = ""

    class Meta:
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(
                fields=("state",),
                condition=models.Q(state=RevisionState.PUBLISHED),
                name="policies_one_published",
            ),
        )

    def __str__(self) -> str:
        return f"r{self.number}"

    @property
    def audit_id(self) -> str:
        """The number."""
        return str(self.number)


class DecisionQuerySet(models.QuerySet["Decision"]):
    """Readings of decisions."""

    def visible_to(self, user: User) -> Self:
        """Keep decisions of operated teams (as they were then) and of owned agents; all for admins, auditors."""
        if user.sees_everything:
            return self
        if not user.is_active:
            return self.none()
        return self.filter(within_reach(user))

    def real(self) -> Self:
        """Keep what was not a dry run."""
        return self.filter(dry_run=False)

    def since(self, moment: datetime) -> Self:
        """Keep decisions at or after a moment."""
        # The id bounds the scan: it is made as the question arrives, and `at` has no index of its own.
        return self.filter(at__gte=moment, pk__gte=floor_id(moment - SLACK))


class Decision(models.Model):
    """The recorded answer to an action. Written once, by the gateway, in raw SQL."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The composite indexes below serve these keys; one index less is one write less in every answer.
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+", db_index=False)
    team = models.CharField(max_length=64, help_text="slug of the agent's team at that time")
    key_id = models.CharField(max_length=16, help_text="public id of the asking key")
    environment = models.CharField(max_length=16, choices=Environment.choices)
    version = models.PositiveIntegerField(null=True, blank=True, help_text="number of the live version")
    run_id = models.UUIDField(null=True, blank=True)
    step = models.CharField(max_length=200, blank=True)
    task = models.CharField(max_length=200, blank=True)
    purpose = models.TextField(blank=True, help_text="the agent's own words: untrusted")
    idempotency_key = models.CharField(max_length=255)
    body_digest = models.CharField(max_length=64, help_text="SHA-256 of the canonical request body, hex")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the canonical action, hex")
    verb = models.CharField(max_length=120)
    capability = models.CharField(max_length=16, blank=True)
    destinations = models.JSONField(default=list, help_text="normalised, as extracted")
    units = models.PositiveBigIntegerField(default=1, help_text="how many things it touches")
    amount_value = models.DecimalField(max_digits=30, decimal_places=9, null=True, blank=True)
    amount_currency = models.CharField(max_length=3, blank=True, help_text="ISO 4217")
    data_classes = models.JSONField(default=list)
    effect = models.CharField(max_length=16, choices=Effect.choices)
    reasons = models.JSONField(default=list, help_text="[{policy, rule, code, text}]")
    would_have = models.JSONField(default=list, help_text="what shadow policies would have said")
    obligations = models.JSONField(default=list)
    policy_revision = models.PositiveIntegerField(help_text="number of the published revision, 0 for none")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="UTC")
    executor = models.ForeignKey(Agent, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    estimated_cost_nanousd = models.BigIntegerField(null=True, blank=True, help_text="nano-USD")
    dry_run = models.BooleanField(default=False)
    at = models.DateTimeField(help_text="UTC")

    objects = DecisionQuerySet.as_manager()

    audit_type: ClassVar[str] = "action"

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("agent", "idempotency_key"), name="policies_one_decision_per_key"),
        )
        indexes = (
            models.Index(fields=("agent", "id"), name="policies_decision_agent"),
            models.Index(fields=("effect", "id"), name="policies_decision_effect"),
        )

    def __str__(self) -> str:
        return f"{self.effect} {self.verb}"

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


class Payload(models.Model):
    """What an agent asked for, as canonical bytes, apart from the decision so that it can be erased."""

    decision = models.OneToOneField(Decision, models.PROTECT, primary_key=True, related_name="+")
    salt = models.BinaryField(help_text="16 bytes; the trail holds SHA-256(salt ‖ body)")
    body = models.BinaryField(help_text="RFC 8785 form of the request body")

    def __str__(self) -> str:
        return f"payload of {self.decision_id}"


class Admission(models.Model):
    """Units that a limit has admitted; its sliding window is a sum over these rows."""

    key = models.CharField(max_length=400, help_text="(policy, rule, by-value)")
    at = models.DateTimeField(help_text="UTC")
    units = models.PositiveBigIntegerField()
    decision_id = models.UUIDField()

    class Meta:
        indexes = (models.Index(fields=("key", "at"), name="policies_admission_window"),)

    def __str__(self) -> str:
        return f"{self.units} for {self.key}"


class Distinct(models.Model):
    """A value that a split guard has admitted, and when last: what its window holds is what was met since.

    A row per value and not per action: meeting a value again costs nothing and leaves nothing to be counted.
    """

    key = models.CharField(max_length=400, help_text="(policy, rule, by-value)")
    value = models.CharField(max_length=64, help_text="SHA-256 of the value, hex: only equality counts")
    at = models.DateTimeField(help_text="UTC")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("key", "value"), name="policies_distinct_once"),)
        indexes = (models.Index(fields=("key", "at"), name="policies_distinct_window"),)

    def __str__(self) -> str:
        return f"{self.value} for {self.key}"
