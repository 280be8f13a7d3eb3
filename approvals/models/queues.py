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
        return self.filter(reviewers__in=user.teams.values("pk")).distinct()

    def visible_to(self, user: User) -> Self:
        """Keep the queues that this person reviews, or whose reviewing teams they may see."""
        if user.sees_everything:
            return self
        return self.filter(reviewers__in=Team.objects.visible_to(user).values("pk")).distinct()


class Queue(models.Model):
    """A named place where held actions wait for certain people."""

    slug = models.CharField(max_length=64, unique=True)
    reviewers = models.ManyToManyField(Team, related_name="+", help_text="teams whose members may vote")
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

    history = HistoricalRecords()
    objects = QueueQuerySet.as_manager()

    audit_type: ClassVar[str] = "queue"
    audit_team = ""
    audit_agent = ""

    class Meta:
        ordering = ("slug",)
        constraints = (models.CheckConstraint(condition=models.Q(quorum__gte=1), name="approvals_quorum_at_least_one"),)

    def __str__(self) -> str:
        return self.slug

    @property
    def audit_id(self) -> str:
        """The slug."""
        return self.slug

    @property
    def confirm_amount_over(self) -> Money | None:
        """What an approval must exceed for its amount to be typed; None: nothing is typed."""
        if self.confirm_amount_value is None:
            return None
        return Money(self.confirm_amount_value, self.confirm_amount_currency)
