"""Grants: single-use permissions to execute exactly certain bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from approvals import states
from approvals.models.requests import ApprovalRequest
from approvals.states import GrantState
from audit.ids import new_id
from policies.models import Decision
from registry.models import Agent, within_reach

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

    from registry.models import User


class GrantQuerySet(models.QuerySet["Grant"]):
    """Readings of grants."""

    def visible_to(self, user: User) -> Self:
        """Keep grants of operated teams (as they were then) and owned agents; all for admins, auditors."""
        if user.sees_everything:
            return self
        if not user.is_active:
            return self.none()
        return self.filter(within_reach(user))

    def lapsed(self, now: datetime) -> Self:
        """Keep what was never redeemed in time."""
        return self.filter(state=GrantState.ISSUED, expires_at__lte=now)

    def voided(self) -> Self:
        """Keep what is unused though its agent has been transferred since it asked."""
        return self.filter(state=GrantState.ISSUED).exclude(agent_epoch=models.F("agent__epoch"))

    def silent(self, now: datetime) -> Self:
        """Keep what was redeemed and whose outcome is overdue."""
        return self.filter(state=GrantState.REDEEMED, outcome_due_at__lte=now)


class Grant(models.Model):
    """Leave to execute one action once. Its id is the idempotency key to hand to the destination."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    decision = models.ForeignKey(Decision, models.PROTECT, related_name="+")
    approval = models.OneToOneField(ApprovalRequest, models.PROTECT, null=True, blank=True, related_name="+")
    # No index of their own: every allowed action writes a grant.
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+", db_index=False, help_text="who asked")
    executor = models.ForeignKey(Agent, models.PROTECT, related_name="+", db_index=False, help_text="who may redeem")
    agent_epoch = models.PositiveIntegerField(help_text="the asking agent's epoch; a transfer voids the grant")
    team = models.CharField(max_length=64, help_text="slug of the agent's team at that time")
    state = models.CharField(max_length=16, choices=GrantState.choices)
    digest = models.CharField(max_length=64, help_text="of the bytes that may be executed, hex")
    issued_at = models.DateTimeField(help_text="UTC")
    expires_at = models.DateTimeField(help_text="UTC; compared at use")
    redeem_key = models.CharField(max_length=255, blank=True, help_text="idempotency key that redeemed it")
    redeemed_at = models.DateTimeField(null=True, blank=True, help_text="UTC")
    outcome_due_at = models.DateTimeField(null=True, blank=True, help_text="UTC; silence after it is unknown")
    outcome_note = models.TextField(blank=True, help_text="the agent's own words")
    result_digest = models.CharField(max_length=64, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True, help_text="UTC")

    objects = GrantQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.GRANT
    audit_type: ClassVar[str] = "grant"

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("state", "expires_at"), name="approvals_grant_due"),
            models.Index(fields=("agent", "id"), name="approvals_grant_agent"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("decision",),
                condition=models.Q(state__in=(GrantState.ISSUED, GrantState.REDEEMED)),
                name="approvals_one_living_grant",
            ),
        )

    def __str__(self) -> str:
        return f"grant {self.id}"

    @property
    def audit_id(self) -> str:
        """The id."""
        return str(self.id)

    @property
    def audit_agent(self) -> str:
        """The slug of the agent that asked."""
        return self.agent.slug

    @property
    def audit_team(self) -> str:
        """The slug of the team at that time."""
        return self.team
