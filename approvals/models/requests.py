"""Held actions: the request, the revisions of what would be executed, and the votes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from django.db import models

from approvals import states
from approvals.models.queues import Queue
from approvals.states import ApprovalState, Tier, Verdict
from audit.ids import new_id
from policies.models import Decision
from registry.models import Agent, User, within_reach

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self


class ApprovalQuerySet(models.QuerySet["ApprovalRequest"]):
    """Readings of held actions."""

    def visible_to(self, user: User) -> Self:
        """Keep what the person's queues hold, their teams' agents' and their own agents' requests."""
        if user.sees_everything:
            return self
        if not user.is_active:
            return self.none()
        return self.filter(_seated(user) | within_reach(user))

    def reviewed_by(self, user: User) -> Self:
        """Keep what stands in the queues in which this person may vote, or was escalated to one of them."""
        return self.filter(_seated(user))

    def readable_by(self, user: User) -> Self:
        """Keep those whose exact bytes this person may see, as `permissions.may_read_bytes` says of each."""
        if not user.is_active:
            return self.none()
        owned = models.Q(agent__owner=user, team__in=user.teams.values("slug"))
        return self.filter(owned | models.Q(state=ApprovalState.PENDING) & _seated(user))

    def awaiting(self, user: User) -> Self:
        """Keep what this person may vote on (`permissions.obstacle_to_vote`) and has not, in the present revision."""
        voted = Vote.objects.filter(request=models.OuterRef("pk"), revision=models.OuterRef("revision"), voter=user)
        written = ActionRevision.objects.filter(
            request=models.OuterRef("pk"), number=models.OuterRef("revision"), author=user
        )
        mine = Queue.objects.reviewed_by(user)
        held = ApprovalRequest.queues.through.objects.filter(approvalrequest=models.OuterRef("pk"))
        by_others = held.filter(queue__in=mine.filter(editor_may_approve=False).values("pk"))
        by_strangers = held.filter(queue__in=mine.filter(owner_may_approve=False).values("pk"))
        theirs = self.reviewed_by(user).exclude(asked_by_key_of=user).exclude(models.Exists(voted))
        theirs = theirs.exclude(models.Exists(written), models.Exists(by_others))
        return theirs.exclude(models.Exists(by_strangers), agent__owner=user)

    def open(self) -> Self:
        """Keep what is pending; whether it is in time is compared at use."""
        return self.filter(state=ApprovalState.PENDING)

    def overdue(self, now: datetime) -> Self:
        """Keep what is pending though its time is over."""
        return self.open().filter(expires_at__lte=now)

    def voided(self) -> Self:
        """Keep what is pending though its agent has been transferred since it asked."""
        return self.open().exclude(agent_epoch=models.F("agent__epoch"))

    def in_time(self, now: datetime) -> Self:
        """Keep what is pending and can still be decided."""
        return self.open().filter(expires_at__gt=now)

    def unreminded(self, now: datetime) -> Self:
        """Keep what can still be decided, and whose reminder is due."""
        return self.in_time(now).filter(remind_at__lte=now)

    def unescalated(self, queue: Queue, now: datetime) -> Self:
        """Keep what has waited in a queue for as long as it waits alone, and can still be decided."""
        if queue.escalate_after_seconds is None:
            return self.none()
        then = now - timedelta(seconds=queue.escalate_after_seconds)
        waiting = self.in_time(now).filter(queues=queue, created_at__lte=then)
        return waiting.exclude(pk__in=Escalation.objects.filter(queue=queue).values("request"))


def _seated(user: User) -> models.Q:
    """What a person may vote on, by their queues."""
    mine = Queue.objects.reviewed_by(user)
    escalated = Escalation.objects.filter(to__in=mine.values("pk")).values("request")
    return models.Q(pk__in=_held_in(mine)) | models.Q(pk__in=escalated)


def _held_in(queues: models.QuerySet[Queue]) -> models.QuerySet:  # type: ignore[type-arg]  # a through table
    through = ApprovalRequest.queues.through
    return through.objects.filter(queue__in=queues.values("pk")).values("approvalrequest_id")


class ApprovalRequest(models.Model):
    """An action that waits for people."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    decision = models.ForeignKey(
        Decision, models.PROTECT, related_name="+", help_text="a changed policy may hold it a second time"
    )
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+")
    agent_epoch = models.PositiveIntegerField(help_text="the agent's epoch when it asked")
    team = models.CharField(max_length=64, help_text="slug of the agent's team at that time")
    asked_by_key_of = models.ForeignKey(
        User, models.PROTECT, related_name="+", help_text="who issued the asking key; may not vote"
    )
    queues = models.ManyToManyField(Queue, related_name="+", help_text="every one of them must approve")
    state = models.CharField(max_length=16, choices=ApprovalState.choices, default=ApprovalState.PENDING)
    revision = models.PositiveIntegerField(default=1, help_text="number of the current revision")
    created_at = models.DateTimeField(help_text="UTC")
    expires_at = models.DateTimeField(help_text="UTC; compared at use")
    closed_at = models.DateTimeField(null=True, blank=True, help_text="UTC")
    risk = models.CharField(
        max_length=8, blank=True, choices=Tier.choices, help_text="of the current revision, when it was written"
    )
    remind_at = models.DateTimeField(null=True, blank=True, help_text="UTC; empty: reminded")
    overridden_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", help_text="approved it under break-glass"
    )

    objects = ApprovalQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.APPROVAL
    audit_type: ClassVar[str] = "approval"

    class Meta:
        ordering = ("expires_at", "id")
        permissions = (("break_glass", "Approve under break-glass, in the place of the reviewers"),)
        indexes = (
            models.Index(fields=("state", "expires_at"), name="approvals_request_due"),
            models.Index(fields=("agent", "state"), name="approvals_request_agent"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("decision",),
                condition=models.Q(state=ApprovalState.PENDING),
                name="approvals_one_pending_per_decision",
            ),
        )

    def __str__(self) -> str:
        return f"{self.agent.slug} asks to {self.decision.verb}"

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

    @property
    def etag(self) -> str:
        """Names what is voted on: it changes with the bytes, not with other people's votes."""
        return f'"{self.revision}"'

    def is_open(self, now: datetime) -> bool:
        """Whether it can still be decided."""
        return self.state == ApprovalState.PENDING and now < self.expires_at


class ActionRevision(models.Model):
    """One version of what would be executed, as canonical bytes; the first one is the agent's."""

    request = models.ForeignKey(ApprovalRequest, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    body = models.BinaryField(help_text="RFC 8785 form of the declared action")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the canonical action, hex")
    facts = models.JSONField(help_text="what was extracted: destinations, units, amount, data classes")
    reasons = models.JSONField(default=list, help_text="why this revision is held")
    author = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", help_text="empty: the agent"
    )
    at = models.DateTimeField(help_text="UTC")

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=("request", "number"), name="approvals_revision_number"),)

    def __str__(self) -> str:
        return f"r{self.number}"


class Vote(models.Model):
    """What one person said of one revision; may be replaced until the quorum is complete."""

    request = models.ForeignKey(ApprovalRequest, models.PROTECT, related_name="votes")
    revision = models.PositiveIntegerField()
    voter = models.ForeignKey(User, models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=16, choices=Verdict.choices)
    digest = models.CharField(max_length=64, help_text="digest of the bytes that were read")
    comment = models.TextField(blank=True)
    at = models.DateTimeField(help_text="UTC")
    took_ms = models.BigIntegerField(
        null=True, blank=True, help_text="milliseconds since the voter first opened that revision; empty: never opened"
    )

    class Meta:
        ordering = ("at",)
        constraints = (
            models.UniqueConstraint(fields=("request", "revision", "voter"), name="approvals_one_vote_each"),
        )

    def __str__(self) -> str:
        return f"{self.voter} {self.verdict}"


class Escalation(models.Model):
    """Who else may vote since a queue let a request wait too long. It adds people, and takes nothing away."""

    request = models.ForeignKey(ApprovalRequest, models.PROTECT, related_name="+")
    queue = models.ForeignKey(Queue, models.PROTECT, related_name="+", help_text="for which they vote")
    to = models.ForeignKey(Queue, models.PROTECT, related_name="+", help_text="whose reviewers may vote for it")
    at = models.DateTimeField(help_text="UTC")

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("request", "queue"), name="approvals_escalated_once"),)

    def __str__(self) -> str:
        return f"{self.queue} to {self.to}"
