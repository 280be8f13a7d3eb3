"""Budgets, their periods, what is set aside in them, and the alerts they gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from simple_history.models import HistoricalRecords

from costs import states
from costs.states import AtLimit, Per, ReservationState, Scope
from registry.models import Agent, Team, User
from registry.models.people import SLUG

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self


class BudgetQuerySet(models.QuerySet["Budget"]):
    """Readings of budgets."""

    def visible_to(self, user: User) -> Self:
        """Keep budgets of operated teams, their agents, and owned agents; all for admins, auditors."""
        if user.sees_everything:
            return self
        if not user.is_active:
            return self.none()
        teams = Team.objects.operated_by(user).values("pk")
        return self.filter(models.Q(team__in=teams) | models.Q(agent__team__in=teams) | models.Q(agent__owner=user))

    def active(self) -> Self:
        """Keep budgets in force."""
        return self.filter(active=True)


class Budget(models.Model):
    """A bound on what a part of the organisation spends in each of a zone's periods."""

    slug = models.CharField(max_length=64, unique=True, validators=[SLUG])
    scope = models.CharField(max_length=16, choices=Scope.choices)
    team = models.ForeignKey(Team, models.PROTECT, null=True, blank=True, related_name="+")
    agent = models.ForeignKey(Agent, models.PROTECT, null=True, blank=True, related_name="+")
    task = models.CharField(max_length=200, blank=True)
    per = models.CharField(max_length=8, choices=Per.choices)
    zone = models.CharField(max_length=64, default="UTC", help_text="IANA zone in which the periods begin")
    limit_nanousd = models.BigIntegerField(help_text="nano-USD per period")
    reserve_nanousd = models.BigIntegerField(help_text="nano-USD set aside for an action without an estimate")
    alert_at = models.JSONField(default=list, help_text="percent of the limit, ascending")
    at_limit = models.CharField(max_length=16, choices=AtLimit.choices)
    active = models.BooleanField(default=True, help_text="off: a draft, without effect")

    history = HistoricalRecords()
    objects = BudgetQuerySet.as_manager()

    audit_type: ClassVar[str] = "budget"

    class Meta:
        ordering = ("slug",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(limit_nanousd__gt=0, reserve_nanousd__gte=0), name="costs_budget_amounts"
            ),
            models.CheckConstraint(
                condition=(
                    models.Q(scope=Scope.ORGANISATION, team=None, agent=None, task="")
                    | models.Q(scope=Scope.TEAM, team__isnull=False, agent=None, task="")
                    | models.Q(scope=Scope.AGENT, team=None, agent__isnull=False, task="")
                    | (models.Q(scope=Scope.TASK, team=None, agent__isnull=False) & ~models.Q(task=""))
                ),
                name="costs_budget_scope",
            ),
        )

    def __str__(self) -> str:
        return self.slug

    @property
    def audit_id(self) -> str:
        """The slug."""
        return self.slug

    @property
    def audit_team(self) -> str:
        """The slug of the team that answers for the spend, or empty."""
        team = self.agent.team if self.agent else self.team
        return team.slug if team else ""

    @property
    def audit_agent(self) -> str:
        """The slug of the agent, or empty."""
        return self.agent.slug if self.agent else ""


class TopUp(models.Model):
    """More for a budget, until a moment: the limit itself stays."""

    budget = models.ForeignKey(Budget, models.PROTECT, related_name="+")
    amount_nanousd = models.BigIntegerField(help_text="nano-USD added to the limit")
    until = models.DateTimeField(help_text="UTC, exclusive")
    reason = models.TextField()
    by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    at = models.DateTimeField(help_text="UTC; from when on it counts")

    class Meta:
        ordering = ("-at", "-id")
        constraints = (models.CheckConstraint(condition=models.Q(amount_nanousd__gt=0), name="costs_top_up_amount"),)

    def __str__(self) -> str:
        return f"{self.amount_nanousd} for {self.budget_id} until {self.until:%Y-%m-%d %H:%M}"


class BudgetPeriodQuerySet(models.QuerySet["BudgetPeriod"]):
    """Readings of periods."""

    def current(self, now: datetime) -> Self:
        """Keep the periods that a moment lies in."""
        return self.filter(starts_at__lte=now, ends_at__gt=now)


class BudgetPeriod(models.Model):
    """What one budget has seen in one of its periods. Written in raw SQL: `costs.budgets`, `costs.settlement`.

    A budget whose length or zone changed leaves the periods of its old form behind, as history.
    """

    budget = models.ForeignKey(Budget, models.PROTECT, related_name="+", db_index=False)
    starts_at = models.DateTimeField(help_text="UTC")
    ends_at = models.DateTimeField(help_text="UTC, exclusive")
    settled_nanousd = models.BigIntegerField(default=0, help_text="nano-USD spent, by usage")
    reserved_nanousd = models.BigIntegerField(default=0, help_text="nano-USD set aside for actions under way")
    overrun = models.BooleanField(default=False, help_text="spent and set aside have passed the limit")

    objects = BudgetPeriodQuerySet.as_manager()

    class Meta:
        ordering = ("-starts_at",)
        constraints = (
            models.UniqueConstraint(fields=("budget", "starts_at", "ends_at"), name="costs_one_period"),
            models.CheckConstraint(
                condition=models.Q(settled_nanousd__gte=0, reserved_nanousd__gte=0), name="costs_period_amounts"
            ),
        )

    def __str__(self) -> str:
        return f"{self.budget_id} from {self.starts_at:%Y-%m-%d}"


class ReservationQuerySet(models.QuerySet["Reservation"]):
    """Readings of reservations."""

    def held(self) -> Self:
        """Keep what is still set aside."""
        return self.filter(state=ReservationState.HELD)

    def overrun(self) -> Self:
        """Keep what cost more than was set aside for it."""
        return self.filter(settled_nanousd__gt=models.F("amount_nanousd"))


class Reservation(models.Model):
    """Money set aside in one period for one decision."""

    decision_id = models.UUIDField()
    # Implied by the period; checked again it would make every decision take a shared lock on one hot row.
    budget = models.ForeignKey(Budget, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    budget_period = models.ForeignKey(BudgetPeriod, models.PROTECT, related_name="+")
    amount_nanousd = models.BigIntegerField(help_text="nano-USD set aside")
    settled_nanousd = models.BigIntegerField(default=0, help_text="nano-USD that usage of this decision cost")
    state = models.CharField(max_length=16, choices=ReservationState.choices, default=ReservationState.HELD)
    created_at = models.DateTimeField(help_text="UTC")
    expires_at = models.DateTimeField(help_text="UTC; still held by then, it is released")
    closed_at = models.DateTimeField(null=True, blank=True, help_text="UTC")

    objects = ReservationQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.RESERVATION

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("decision_id", "budget"), name="costs_one_reservation"),
            models.CheckConstraint(
                condition=models.Q(amount_nanousd__gte=0, settled_nanousd__gte=0), name="costs_reservation_amounts"
            ),
        )
        indexes = (
            models.Index(
                fields=("expires_at",), condition=models.Q(state=ReservationState.HELD), name="costs_reservation_held"
            ),
        )

    def __str__(self) -> str:
        return f"{self.state} for {self.decision_id}"

    @property
    def overrun(self) -> bool:
        """Whether the decision cost more than was set aside for it."""
        return self.settled_nanousd > self.amount_nanousd


class BudgetAlert(models.Model):
    """A threshold that a period has passed. Each alerts once."""

    budget_period = models.ForeignKey(BudgetPeriod, models.PROTECT, related_name="+", db_index=False)
    threshold = models.PositiveIntegerField(help_text="percent of the limit")
    settled_nanousd = models.BigIntegerField(help_text="nano-USD spent when it was passed")
    limit_nanousd = models.BigIntegerField(help_text="nano-USD, the limit at that time")
    at = models.DateTimeField(help_text="UTC")
    pausing = models.BooleanField(default=False, help_text="the budget's agents are still to be paused for this")

    class Meta:
        ordering = ("-at", "-id")
        constraints = (models.UniqueConstraint(fields=("budget_period", "threshold"), name="costs_alert_once"),)
        indexes = (models.Index(fields=("id",), condition=models.Q(pausing=True), name="costs_alert_pausing"),)

    def __str__(self) -> str:
        return f"{self.threshold} % of {self.budget_period_id}"
