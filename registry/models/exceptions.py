"""What is agreed about single agents: let out of a kill switch, proposed to be handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from registry import states
from registry.models.agents import Agent, OfAgent, OfAgentQuerySet
from registry.models.control import KillSwitch
from registry.models.people import Team, User
from registry.states import TransferState

if TYPE_CHECKING:
    from typing import Self


class KillExemptionQuerySet(OfAgentQuerySet["KillExemption"]):
    """Readings of exemptions."""


class KillExemption(OfAgent, models.Model):
    """One agent that a kill switch in force does not stop; taking it back deletes the row, the trail keeps both."""

    switch = models.ForeignKey(KillSwitch, models.PROTECT, related_name="exemptions")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+")
    reason = models.TextField()
    let_out_at = models.DateTimeField(help_text="UTC")
    let_out_by = models.ForeignKey(User, models.PROTECT, related_name="+")

    objects = KillExemptionQuerySet.as_manager()

    audit_type: ClassVar[str] = "kill_exemption"

    class Meta:
        ordering = ("let_out_at", "id")
        constraints = (models.UniqueConstraint(fields=("switch", "agent"), name="registry_one_exemption"),)

    def __str__(self) -> str:
        return f"{self.agent.slug} out of {self.switch}"

    @property
    def audit_id(self) -> str:
        """``<switch>/<agent>``."""
        return f"{self.switch_id}/{self.agent.slug}"


class AgentTransferQuerySet(OfAgentQuerySet["AgentTransfer"]):
    """Readings of proposals."""

    def open(self) -> Self:
        """Keep those that nobody has answered."""
        return self.filter(state=TransferState.PROPOSED)


class AgentTransfer(OfAgent, models.Model):
    """A proposal to hand an agent to another owner or team; it changes nothing until it is accepted."""

    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+")
    epoch = models.PositiveIntegerField(help_text="the agent's when it was proposed; at another one it is void")
    owner = models.ForeignKey(User, models.PROTECT, related_name="+", help_text="who would answer for it")
    team = models.ForeignKey(Team, models.PROTECT, related_name="+", help_text="in whose trail it would stand")
    reason = models.TextField()
    state = models.CharField(max_length=16, choices=TransferState.choices, default=TransferState.PROPOSED)
    proposed_at = models.DateTimeField(help_text="UTC")
    proposed_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True, help_text="UTC")
    closed_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    objects = AgentTransferQuerySet.as_manager()

    TRANSITIONS: ClassVar[states.Table] = states.TRANSFER
    audit_type: ClassVar[str] = "transfer"

    class Meta:
        ordering = ("-proposed_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("agent",), condition=models.Q(state=TransferState.PROPOSED), name="registry_one_proposal"
            ),
        )

    def __str__(self) -> str:
        return f"{self.agent.slug} to {self.owner.username}, {self.team.slug}"

    @property
    def audit_id(self) -> str:
        """``<agent>/<number>``."""
        return f"{self.agent.slug}/{self.pk}"
