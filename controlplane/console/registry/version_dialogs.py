"""What people do to versions: promote, edit and discard drafts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from audit.refusals import Stale
from controlplane.console import text
from controlplane.console.dialogs import Dialog, Done, EditDialog, NoForm, Words
from controlplane.console.registry.agent_work import NewVersion, kept_object
from controlplane.console.registry.evidence import in_words, read_evidence
from registry import permissions
from registry.models import AgentVersion, Release
from registry.operations import discard_draft, edit_draft, promote
from registry.states import Environment, ReleaseState


class Promotion(forms.Form):
    """Where to; the checksum says what was read."""

    environment = forms.ChoiceField(choices=Environment.choices)
    checksum = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)


class Promote(Dialog):
    """Make a version live, on the evidence that is shown."""

    form_class = Promotion
    row: AgentVersion

    def words(self) -> Words:
        """Name the effect and what it rests on."""
        live = Release.objects.filter(agent=self.row.agent, state=ReleaseState.LIVE).select_related("version")
        now = ", ".join(f"v{row.version.number} in {row.environment}" for row in live) or "nothing"
        return Words(
            f"Promote v{self.row.number} of {self.row.agent.slug}?",
            (
                f"Live now: {now}.",
                "It takes the place of what is live there, from the next request on. Rolling back is one step.",
                *in_words(read_evidence(self.row, now=self.now)),
                "The trail keeps these numbers with your name.",
            ),
            f"Promote v{self.row.number}",
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_release(self.user, self.row.agent)

    def initial(self) -> dict[str, Any]:
        """Remember what is read."""
        return {"checksum": self.row.checksum}

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Promote."""
        if data["checksum"] and data["checksum"] != self.row.checksum:
            raise Stale(f"{self.row} was edited while you read it.")
        evidence = read_evidence(self.row, now=self.now)
        promote(version=self.row, environment=data["environment"], evidence=evidence, by=self.user, now=self.now)
        return Done(f"v{self.row.number} is live in {data['environment']}.", self.pages.address(self.row))


class EditDraft(EditDialog):
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
        definition = kept_object(data["definition"])
        edit_draft(version=self.row, definition=definition, note=data["note"], by=self.user, now=self.now)
        return Done("The draft is saved.", self.pages.address(self.row))


class Discard(Dialog):
    """Give a draft up."""

    form_class = NoForm
    row: AgentVersion

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Discard v{self.row.number} of {self.row.agent.slug}?",
            ("It can never be promoted. Its text stays readable, and its number is not used again.",),
            "Discard the draft",
            danger=True,
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_configure(self.user, self.row.agent)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Discard it."""
        discard_draft(version=self.row, by=self.user, now=self.now)
        return Done(f"v{self.row.number} is discarded.", self.pages.address(self.row))
