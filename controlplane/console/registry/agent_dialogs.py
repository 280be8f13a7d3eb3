"""What people do to an agent's life: pause, resume, retire, stop it in an emergency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from controlplane.console.dialogs import Dialog, Done, OptionalReason, Reason, Words
from controlplane.console.undoing import undo_of_pause
from registry import permissions
from registry.models import Agent
from registry.operations import contain, kill, pause_agent, resume_agent, retire_agent
from registry.states import AgentState, KillScope


class AgentDialog(Dialog):
    """A dialog about one agent.

    Attributes:
        owners: whether the agent's owner may do it too.
        label: of its button; ``{}`` stands for the slug.
        states: in which states of the agent the button makes sense.
    """

    row: Agent
    owners: ClassVar[bool] = False
    label: ClassVar[str] = ""
    tone: ClassVar[str] = ""
    states: ClassVar[frozenset[str]] = frozenset({AgentState.ACTIVE, AgentState.PAUSED})

    def check(self) -> None:
        """Check the right."""
        if self.owners:
            permissions.may_pause(self.user, self.row)
        else:
            permissions.may_operate(self.user, self.row)

    def done(self, said: str) -> Done:
        """Go back to the agent."""
        return Done(said, self.pages.address(self.row))


class Pause(AgentDialog):
    """Pause it."""

    form_class = Reason
    owners, label, tone, states = True, "Pause {}…", "danger", frozenset({AgentState.ACTIVE})

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Pause {self.row.slug}?",
            (
                "Its next ask or redeem is refused; it may still report.",
                "What it is executing now cannot be recalled. Its approvals stay open and keep expiring.",
            ),
            f"Pause {self.row.slug}",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Pause."""
        now = self.now
        pause_agent(agent=self.row, reason=data["reason"], by=self.user, now=now)
        undo = undo_of_pause(self.row, by=self.user, at=now)
        return Done(f"{self.row.slug} is paused.", self.pages.address(self.row), undo)


class Resume(AgentDialog):
    """Let it ask again."""

    form_class = OptionalReason
    label, tone, states = "Resume {}…", "main", frozenset({AgentState.PAUSED})

    def words(self) -> Words:
        """Name the effect."""
        return Words(f"Resume {self.row.slug}?", ("It may ask and redeem again at once.",), f"Resume {self.row.slug}")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Resume."""
        resume_agent(agent=self.row, reason=data["reason"], by=self.user, now=self.now)
        return self.done(f"{self.row.slug} is active.")


class Retire(AgentDialog):
    """End it for good."""

    form_class = Reason
    label, tone = "Retire {}…", "danger"

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Retire {self.row.slug} for good?",
            ("It never asks again, and its keys are revoked. Its records stay. This cannot be undone.",),
            f"Retire {self.row.slug}",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Retire."""
        retire_agent(agent=self.row, reason=data["reason"], by=self.user, now=self.now)
        return self.done(f"{self.row.slug} is retired.")


class Contain(AgentDialog):
    """Stop it in every way at once."""

    form_class = Reason
    label, tone = "Contain {}…", "danger"

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Contain {self.row.slug}?",
            ("It is paused, all its keys are revoked, and it is told to stop. New keys are needed to go on.",),
            f"Contain {self.row.slug}",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Contain."""
        contain(agent=self.row, reason=data["reason"], by=self.user, now=self.now)
        return self.done(f"{self.row.slug} is paused, its keys are revoked, and a stop is requested.")


class Kill(AgentDialog):
    """Throw a kill switch over it."""

    form_class = Reason
    label, tone = "Throw kill switch…", "danger"

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Throw a kill switch over {self.row.slug}?",
            ("Asking and redeeming are refused until the switch is lifted. Resuming the agent does not lift it.",),
            f"Stop {self.row.slug}",
            danger=True,
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Throw it."""
        kill(scope=KillScope.AGENT, value=self.row.slug, reason=data["reason"], by=self.user, now=self.now)
        return self.done(f"A kill switch stops {self.row.slug}.")
