"""Registering agents, changing what is written about them, handing them over, going back to earlier words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import Http404

from controlplane.console.admins import list_of, page_of
from controlplane.console.dialogs import LONGEST_REASON, Done, NoForm, OptionalReason, Words
from controlplane.console.registry.agent_dialogs import AgentDialog
from controlplane.console.registry.fields import FieldDialog, Labels, Named, people_known_to, require_a_team
from controlplane.console.registry.histories import changed_since
from registry import permissions
from registry.models import Agent, AgentTransfer, Team, User
from registry.operations import (
    accept_transfer,
    agent_digest,
    agent_facts,
    decline_transfer,
    hand_over,
    revert_agent,
    save_agent,
)
from registry.states import AgentState, Capability, Enforcement, TransferState


class Configuration(forms.Form):
    """What is written about an agent."""

    name = forms.CharField(max_length=120)
    purpose = forms.CharField(
        required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 3}), help_text="What it is for."
    )
    capabilities = forms.MultipleChoiceField(
        choices=Capability.choices, required=False, widget=forms.CheckboxSelectMultiple,
        help_text="What it may do at most; policies say the rest.",
    )  # fmt: skip
    data_scopes = Labels(label="Data scopes", help_text="Names of the data it may touch, separated by commas.")
    tags = Labels(help_text="Policies and kill switches select by them.")
    enforcement = forms.ChoiceField(choices=Enforcement.choices)


class NewAgent(Configuration):
    """A new agent: its slug stays for ever."""

    slug = forms.CharField(max_length=64, help_text="Lower-case letters, digits, hyphens. It never changes.")
    field_order = ("slug", "name", "owner", "team")

    def __init__(self, *args: Any, user: User, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["owner"] = Named(people_known_to(user), name="username", help_text="The person who answers for it.")
        self.fields["team"] = Named(Team.objects.operated_by(user), name="slug")
        self.order_fields(self.field_order)


class Register(FieldDialog):
    """Register an agent."""

    form_class = NewAgent

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Register an agent",
            (
                "It gets version 1, empty and live in both environments. It can ask once it has a key.",
                "Until a policy allows it something, everything it asks is denied.",
            ),
            "Register the agent",
        )

    def check(self) -> None:
        """Let pass whoever operates a team."""
        require_a_team(self.user, "Only operators of a team and administrators register agents.")

    def initial(self) -> dict[str, Any]:
        """Begin careful: it may read, and it is not held."""
        return {"capabilities": [Capability.READ], "enforcement": Enforcement.ADVISORY, "owner": self.user.pk}

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer what the person may name."""
        return NewAgent(data, initial=self.initial(), user=self.user)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Register it."""
        agent, _ = save_agent(**data, by=self.user, now=self.now, fresh=True)
        return Done(f"{agent.slug} is registered.", page_of(agent))


class EditAgent(Configuration):
    """The configuration, and what it was when it was read."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)


class Edit(FieldDialog, AgentDialog):
    """Change an agent's configuration."""

    form_class = EditAgent
    label = "Edit…"

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Edit {self.row.slug}",
            (
                "From its next ask on it is judged by what you save here.",
                "Owner and team change by a transfer; History keeps what it was.",
            ),
            "Save the agent",
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_configure(self.user, self.row)

    def initial(self) -> dict[str, Any]:
        """Hold the present configuration."""
        return {**agent_facts(self.row), "seen": agent_digest(self.row)}

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Save it."""
        facts = {**data, "owner": self.row.owner, "team": self.row.team}
        _, changed = save_agent(slug=self.row.slug, by=self.user, now=self.now, **facts)
        return self.done("The agent is saved." if changed else "Nothing was changed.")


class Handing(forms.Form):
    """To whom, and why."""

    reason = forms.CharField(
        max_length=LONGEST_REASON, widget=forms.Textarea(attrs={"rows": 3}), help_text="Kept in the audit trail."
    )
    field_order = ("owner", "team", "reason")

    def __init__(self, *args: Any, user: User, agent: Agent, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["owner"] = Named(people_known_to(user, agent.owner), name="username")
        self.fields["team"] = Named(Team.objects.visible_to(user), name="slug")
        self.order_fields(self.field_order)


class Transfer(FieldDialog, AgentDialog):
    """Propose that others answer for an agent; whoever may transfer it does so at once."""

    form_class = Handing
    owners, label = True, "Transfer…"

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Transfer {self.row.slug}?",
            (
                f"Now {self.row.owner.username} answers for it, in the team {self.row.team.slug}.",
                "Whoever operates both teams transfers it at once; others propose, and it waits for them.",
                "A transfer voids everything that was approved or granted before.",
            ),
            "Transfer or propose",
            danger=True,
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_propose_transfer(self.user, self.row)

    def initial(self) -> dict[str, Any]:
        """Hold who answers now."""
        return {"owner": self.row.owner_id, "team": self.row.team_id}

    def make_form(self, data: Any = None) -> forms.Form:
        """Offer what the person may name."""
        return Handing(data, initial=self.initial(), user=self.user, agent=self.row)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Propose it; accept one's own proposal where one may."""
        proposal = hand_over(agent=self.row, by=self.user, now=self.now, **data)
        if proposal.state == TransferState.ACCEPTED:
            sees = Agent.objects.visible_to(self.user).filter(pk=self.row.pk).exists()
            return Done(f"{self.row.slug} is transferred.", page_of(self.row) if sees else list_of(Agent))
        return self.done("The transfer is proposed; it waits for an operator of both teams, or an administrator.")


class Answer(AgentDialog):
    """Something about the open proposal."""

    states = frozenset(AgentState.values)

    @property
    def proposal(self) -> AgentTransfer:
        """The open proposal.

        Raises:
            Http404: there is none.
        """
        rows = AgentTransfer.objects.open().select_related("owner", "team", "agent__team", "proposed_by")
        found = rows.filter(agent=self.row).first()
        if found is None:
            raise Http404
        return found


class Accept(Answer):
    """Accept it."""

    form_class = NoForm

    def words(self) -> Words:
        """Name the effect."""
        proposal = self.proposal
        return Words(
            f"Hand {self.row.slug} to {proposal.owner.username}, {proposal.team.slug}?",
            (
                f"{proposal.proposed_by.username} proposed it: {proposal.reason}",
                "Everything that was approved or granted before becomes void.",
            ),
            f"Transfer {self.row.slug}",
            danger=True,
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_transfer(self.user, self.row, self.proposal.team)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Accept."""
        accept_transfer(proposal=self.proposal, by=self.user, now=self.now)
        return self.done(f"{self.row.slug} is transferred.")


class Decline(Answer):
    """Decline it, or take one's own back."""

    form_class = OptionalReason

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Decline the transfer of {self.row.slug}?",
            (f"{self.row.owner.username} goes on answering for it.",),
            "Decline the transfer",
        )

    def check(self) -> None:
        """Let pass operators, and whoever proposed it."""
        if self.proposal.proposed_by_id != self.user.pk:
            permissions.may_operate(self.user, self.row)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Decline."""
        decline_transfer(proposal=self.proposal, reason=data["reason"], by=self.user, now=self.now)
        return self.done("The transfer is declined.")


class Revert(AgentDialog):
    """Go back to what was written at an earlier time."""

    form_class = NoForm

    @property
    def record(self) -> Any:
        """The record of its history that the address names.

        Raises:
            Http404: there is none of this agent.
        """
        given = self.request.GET.get("to", "")
        rows = Agent.history.filter(id=self.row.pk)
        found = rows.filter(history_id=int(given)).first() if given.isdecimal() and len(given) < 18 else None
        if found is None:
            raise Http404
        return found

    def words(self) -> Words:
        """Say what would come back."""
        lines = tuple(f"{name}: {old} → {new}" for name, old, new in changed_since(self.row, self.record))
        return Words(
            f"Bring back what was written about {self.row.slug}?",
            (
                *(lines or ("Nothing would change.",)),
                "Status, team, owner, tags and capabilities never come back from history.",
            ),
            "Bring it back",
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_configure(self.user, self.row)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Revert."""
        changed = revert_agent(agent=self.row, record_id=self.record.history_id, by=self.user, now=self.now)
        return self.done("The earlier words are back." if changed else "Nothing was changed.")
