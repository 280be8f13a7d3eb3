"""What people do with revisions: publish, roll back, discard. Writing: `controlplane.console.policies.editing`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from audit.refusals import IllegalTransition
from controlplane.console.dialogs import Dialog, Done, Reason, Words
from controlplane.console.policies.replays import replay_check, replays_of
from controlplane.console.policies.revision_page import checklist, queue_names
from policies.models import Revision
from policies.operations import discard, publish, roll_back
from policies.operations.revisions import require_base
from policies.snapshots import published
from policies.states import ReplayState, RevisionState

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
