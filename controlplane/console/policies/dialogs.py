"""What people do with revisions: publish, roll back, discard, write."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.http import HttpResponse

from audit.refusals import Forbidden, IllegalTransition, Refusal
from controlplane.apply import loading
from controlplane.apply.problems import DocumentRefused, located
from controlplane.console.admins import page_of
from controlplane.console.dialogs import LONGEST_REASON, Dialog, Done, ExactField, Reason, Words
from controlplane.console.policies.replays import replay_check, replays_of
from controlplane.console.policies.revision_page import DRAFTERS, as_yaml, checklist, queue_names
from policies.models import Revision
from policies.operations import discard, publish, revise_draft, roll_back, save_draft
from policies.operations.revisions import DraftChanged, require_base
from policies.permissions import may_edit_draft
from policies.snapshots import published
from policies.states import ReplayState, RevisionState
from registry.documents import DocumentInvalid

_SIGNS: Mapping[bool | None, str] = {True: "✓", False: "✕", None: "·"}


class Digest(forms.Form):
    """Which text the person has read: it goes with what they do."""

    seen = forms.CharField(min_length=64, max_length=64, widget=forms.HiddenInput)


class PublishReason(Digest, Reason):
    """Why it is published, which text was read, and which replay of it was shown."""

    replay = forms.UUIDField(required=False, widget=forms.HiddenInput)


class Publish(Dialog):
    """Put a draft in force."""

    form_class = PublishReason
    row: Revision

    def words(self) -> Words:
        """Name the effect: the checklist."""
        found = (*checklist(self.row), replay_check(self.row, self.user))
        checks = tuple(f"{_SIGNS[check.passed]} {check.text}" for check in found)
        return Words(
            f"Publish r{self.row.number}?",
            (*checks, "The revision before it returns in one step: Roll back."),
            f"Publish r{self.row.number}",
        )

    def initial(self) -> dict[str, Any]:
        """Carry the text that is shown."""
        shown = replays_of(self.row, self.user)
        finished = shown is not None and shown.state == ReplayState.FINISHED
        return {"seen": self.row.digest, "replay": shown.pk if shown and finished else None}

    def check(self) -> None:
        """Say at once that something else is in force by now, or that it is no draft."""
        if self.row.state != RevisionState.DRAFT:
            raise IllegalTransition(f"r{self.row.number} is {self.row.state}; only a draft is published.")
        require_base(self.row, published())

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Publish; the operation checks the right over every agent that a changed policy matches."""
        publish(
            revision=self.row, queues=queue_names(), by=self.user, now=self.now, reason=data["reason"],
            seen=data["seen"], replays=[data["replay"]] if data["replay"] else [],
        )  # fmt: skip
        return Done(f"r{self.row.number} is in force.", self.pages.address(self.row))


class RollBack(Dialog):
    """Publish a copy of an earlier revision."""

    form_class = Reason
    row: Revision

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Roll back to r{self.row.number}?",
            ("A copy of it is published as a new revision; numbers only rise. From the next request on it decides.",),
            f"Roll back to r{self.row.number}",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Roll back."""
        new = roll_back(to=self.row.number, queues=queue_names(), by=self.user, now=self.now, reason=data["reason"])
        return Done(f"r{new.number} is in force; it says what r{self.row.number} said.", self.pages.address(new))


class Discard(Dialog):
    """Give up a draft."""

    row: Revision

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Discard r{self.row.number}?", ("The draft stays readable and cannot be published.",), "Discard the draft"
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Discard."""
        discard(revision=self.row, by=self.user, now=self.now)
        return Done("The draft is discarded.", self.pages.address(self.row))


class Document(forms.Form):
    """A whole policy set."""

    document = ExactField(
        label="Policies, as YAML", strip=False, max_length=1_000_000,
        widget=forms.Textarea(attrs={"rows": 24, "class": "cp-code", "spellcheck": "false"}),
        help_text="The whole set: what is left out is gone once it is published.",
    )  # fmt: skip
    reason = forms.CharField(label="Why", max_length=LONGEST_REASON, required=False)


class Redraft(Digest, Document):
    """A draft written anew."""

    field_order = ("document", "reason")


class Writing(Dialog):
    """An editor: the whole document in a text field, what is wrong with it by its line."""

    template: ClassVar[str] = "console/policies/edit.html"

    def answer(self, form: forms.Form | None, refusal: Refusal | None, *, status: int = 200) -> HttpResponse:
        """Render it as a page of its own, which has room for the text and for its defects."""
        words = self.words()
        context: dict[str, Any] = {
            "words": words,
            "form": form,
            "refusal": refusal,
            "defects": refusal.located if isinstance(refusal, DocumentRefused) else (),
            "overtaken": isinstance(refusal, DraftChanged),
            "title": words.title,
            "back": self.back(),
            "action": self.request.get_full_path(),
        }
        return self.framed(self.template, context, status=refusal.status if refusal else status)

    def check(self) -> None:
        """Say at once who drafts."""
        if self.user.role not in DRAFTERS:
            raise Forbidden("Administrators, operators and owners draft policies.")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Read the YAML and keep it; defects of the policies get the lines on which they stand."""
        loaded = loading.load(data["document"])
        try:
            draft = self.keep(loaded.value or {}, data)
        except DocumentInvalid as refusal:
            raise located(refusal.errors, loaded.lines) from refusal
        return Done(f"r{draft.number} is saved as a draft.", page_of(draft))

    @abstractmethod
    def keep(self, document: Mapping[str, object], data: Mapping[str, Any]) -> Revision:
        """Call the operation."""


class Draft(Writing):
    """Write a new draft, beginning with what is in force."""

    form_class = Document

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "New draft of the policies",
            ("A draft decides nothing. Publishing it is a step of its own, with its tests and your reason.",),
            "Save the draft",
        )

    def initial(self) -> dict[str, Any]:
        """Begin with the published set, or with an earlier revision."""
        live = published()
        return {"document": as_yaml(live.document) if live else ""}

    def keep(self, document: Mapping[str, object], data: Mapping[str, Any]) -> Revision:
        """Keep a new draft."""
        return save_draft(policies=document, by=self.user, now=self.now, reason=data["reason"])


class EditDraft(Writing):
    """Write a draft anew."""

    form_class = Redraft
    row: Revision

    def words(self) -> Words:
        """Name the effect."""
        live = published()
        over = f"r{live.number}" if live else "nothing"
        return Words(
            f"Edit the draft r{self.row.number}",
            (f"Saving writes it over what is in force now ({over}); a draft decides nothing.",),
            "Save the draft",
        )

    def initial(self) -> dict[str, Any]:
        """Hold the draft as it is."""
        return {"document": as_yaml(self.row.document), "reason": self.row.reason, "seen": self.row.digest}

    def check(self) -> None:
        """Its author and administrators edit a draft."""
        may_edit_draft(self.user, self.row)
        if self.row.state != RevisionState.DRAFT:
            raise IllegalTransition(f"r{self.row.number} is {self.row.state}; only a draft is edited.")

    def keep(self, document: Mapping[str, object], data: Mapping[str, Any]) -> Revision:
        """Keep it in the draft's place."""
        return revise_draft(
            revision=self.row, seen=data["seen"], policies=document, by=self.user, now=self.now, reason=data["reason"]
        )
