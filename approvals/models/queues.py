"""Queues: who reviews what, and under which conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from simple_history.models import HistoricalRecords

from registry.amounts import Money
from registry.models import Team, User

if TYPE_CHECKING:
    from typing import Self

DAY = 24 * 60 * 60


class QueueQuerySet(models.QuerySet["Queue"]):
    """Readings of queues."""

    def reviewed_by(self, user: User) -> Self:
        """Keep the queues in which this person may vote."""
        if not user.is_active:
            return self.none()
        return self.filter(self._seats(user)).distinct()

    @staticmethod
    def _seats(user: User) -> models.Q:
        return models.Q(reviewers__in=user.teams.values("pk")) | models.Q(people=user.pk)

    def visible_to(self, user: User) -> Self:
        """Keep the queues that this person reviews, or of whose reviewers they may see a team."""
        if user.sees_everything:
            return self
        if not user.is_active:
            return self.none()
        teams = Team.objects.visible_to(user).values("pk")
        seen = models.Q(reviewers__in=teams) | models.Q(people__teams__in=teams)
        return self.filter(seen | models.Q(people=user.pk)).distinct()


class Queue(models.Model):
    """A named place where held actions wait for certain people."""

    slug = models.CharField(max_length=64, unique=True)
    reviewers = models.ManyToManyField(Team, related_name="+", help_text="teams whose members may vote")
    people = models.ManyToManyField(
        User, blank=True, related_name="+", help_text="people who may vote beside the teams' members"
    )
    quorum = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="distinct approvals that are needed"
    )
    ttl_seconds = models.PositiveIntegerField(default=DAY, help_text="seconds that a request stays open")
    edits = models.BooleanField(default=True, help_text="reviewers may edit the action")
    editor_may_approve = models.BooleanField(default=False, help_text="the author of a revision may approve it")
    owner_may_approve = models.BooleanField(default=True, help_text="the agent's owner may vote")
    confirm_amount_value = models.DecimalField(
        max_digits=30, decimal_places=9, null=True, blank=True, help_text="an approval of more has the amount typed"
    )
    confirm_amount_currency = models.CharField(
        max_length=3, blank=True, help_text="ISO 4217; another currency counts as more"
    )
    bulk_limit = models.PositiveSmallIntegerField(default=0, help_text="requests approved in one step; 0: one by one")
    capacity = models.PositiveSmallIntegerField(
        default=0, help_text="open requests that it holds; full, what comes next is throttled; 0: any number"
    )
    escalate_after_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="seconds after which the other queue's reviewers may vote as well"
    )
    escalate_to = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="+")
    matches = models.JSONField(
        default=dict, blank=True, help_text="what comes here by itself, as selectors; see `approvals.routing`"
    )

    history = HistoricalRecords()
    objects = QueueQuerySet.as_manager()

    audit_type: ClassVar[str] = "queue"
    audit_team = ""
    audit_agent = ""

    class Meta:
        ordering = ("slug",)
        constraints = (
            models.CheckConstraint(condition=models.Q(quorum__gte=1), name="approvals_quorum_at_least_one"),
            models.CheckConstraint(
                condition=models.Q(escalate_after_seconds=None, escalate_to=None)
                | models.Q(escalate_after_seconds__isnull=False, escalate_to__isnull=False),
                name="approvals_escalate_after_and_to",
            ),
        )

    def __str__(self) -> str:
        return self.slug

    @property
    def audit_id(self) -> str:
        """The slug."""
        return self.slug

    def voters(self) -> models.QuerySet[User]:
        """Return the active people who sit in this queue, each once; those of an escalation are not among them."""
        sits = models.Q(teams__in=self.reviewers.values("pk")) | models.Q(pk__in=self.people.values("pk"))
        return User.objects.filter(sits, is_active=True).distinct()

    @property
    def confirm_amount_over(self) -> Money | None:
        """What an approval must exceed for its amount to be typed; None: nothing is typed."""
        if self.confirm_amount_value is None:
            return None
        return Money(self.confirm_amount_value, self.confirm_amount_currency)
