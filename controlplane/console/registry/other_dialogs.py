"""What people do to keys, versions, kill switches and teams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from controlplane.console import text
from controlplane.console.admins import list_of, page_of
from controlplane.console.dialogs import Dialog, Done, OptionalReason, Reason, Words
from controlplane.console.registry.agent_work import NewVersion, json_object
from registry import permissions
from registry.models import AgentKey, AgentVersion, KillSwitch, Team
from registry.operations import edit_draft, kill, lift, promote, revoke_key
from registry.states import Environment, KillScope


class RevokeKey(Dialog):
    """Revoke a key."""

    form_class = OptionalReason
    row: AgentKey

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Revoke {self.row}?",
            (f"Its very next call is refused. {self.row.agent.slug} needs another key to go on.",),
            "Revoke the key",
            danger=True,
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_issue_keys(self.user, self.row.agent)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Revoke."""
        revoke_key(key=self.row, reason=data["reason"], by=self.user, now=self.now)
        return Done("The key is revoked.", self.pages.address(self.row))


class Lift(Dialog):
    """Lift a kill switch."""

    form_class = OptionalReason
    row: KillSwitch

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Lift the kill switch over {self.row}?",
            ("Agents that are not paused for other reasons may ask again at once.",),
            "Lift it",
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_lift(self.user, self.row)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Lift."""
        lift(switch=self.row, reason=data["reason"], by=self.user, now=self.now)
        return Done("The kill switch is lifted.", self.pages.address(self.row))


class Scope(Reason):
    """Whom to stop, and why."""

    scope = forms.ChoiceField(choices=KillScope.choices)
    value = forms.CharField(
        label="Agent, team or tag", required=False, max_length=120, help_text="Leave empty for every agent."
    )
    confirmation = forms.CharField(
        label="Type: pause everything", required=False, max_length=40, help_text="Only for every agent."
    )
    field_order = ("scope", "value", "reason", "confirmation")

    def clean(self) -> dict[str, Any]:
        """Ask for the sentence where everything stops."""
        data = dict(super().clean() or {})
        if data.get("scope") == KillScope.ALL and data.get("confirmation") != "pause everything":
            self.add_error("confirmation", "To stop every agent, type: pause everything")
        return data


class Throw(Dialog):
    """Throw a kill switch over any scope."""

    form_class = Scope

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Throw a kill switch?",
            (
                "Every agent of the scope is refused at its next ask or redeem, until the switch is lifted.",
                "Agents that join the scope later are stopped too. Approvals stay open and keep expiring.",
            ),
            "Throw the kill switch",
            danger=True,
        )

    def back(self) -> str:
        """Lead to the list."""
        return list_of(KillSwitch)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Throw it."""
        switch = kill(scope=data["scope"], value=data["value"], reason=data["reason"], by=self.user, now=self.now)
        return Done("The kill switch is in force.", page_of(switch))


class KillTeam(Dialog):
    """Stop a team's agents."""

    form_class = Reason
    row: Team

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Stop every agent of {self.row.name}?",
            ("Asking and redeeming are refused until the switch is lifted. Approvals stay open and keep expiring.",),
            f"Stop the agents of {self.row.slug}",
            danger=True,
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_kill(self.user, KillScope.TEAM, self.row.slug)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Throw it."""
        switch = kill(scope=KillScope.TEAM, value=self.row.slug, reason=data["reason"], by=self.user, now=self.now)
        return Done(f"The agents of {self.row.slug} are stopped.", page_of(switch))


class Promotion(forms.Form):
    """Where to; the checksum says what was read."""

    environment = forms.ChoiceField(choices=Environment.choices)


class Promote(Dialog):
    """Make a version live."""

    form_class = Promotion
    row: AgentVersion

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Promote v{self.row.number} of {self.row.agent.slug}?",
            ("It takes the place of what is live there, from the next request on. Rolling back is one step.",),
            f"Promote v{self.row.number}",
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_release(self.user, self.row.agent)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Promote."""
        promote(version=self.row, environment=data["environment"], by=self.user, now=self.now)
        return Done(f"v{self.row.number} is live in {data['environment']}.", self.pages.address(self.row))


class EditDraft(Dialog):
    """Change a draft."""

    form_class = NewVersion
    row: AgentVersion

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Edit v{self.row.number} of {self.row.agent.slug}", ("A draft changes nothing.",), "Save the draft"
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_configure(self.user, self.row.agent)

    def initial(self) -> dict[str, Any]:
        """Hold the draft."""
        return {"definition": text.escaped(text.pretty(self.row.definition)), "note": self.row.note}

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        definition = json_object(data["definition"])
        edit_draft(version=self.row, definition=definition, note=data["note"], by=self.user, now=self.now)
        return Done("The draft is saved.", self.pages.address(self.row))
