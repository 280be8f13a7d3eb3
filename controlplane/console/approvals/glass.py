"""Break-glass: opening the bytes, then approving in the reviewers' place. Two steps, each with its own entry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.http import HttpResponse

from approvals.models import ApprovalRequest
from approvals.operations import overrule, read_under_break_glass
from approvals.operations.opening import current_revision
from approvals.permissions import require_break_glass
from audit.refusals import Conflict
from controlplane.console import formats
from controlplane.console.admins import page_of
from controlplane.console.approvals.bytes import shown
from controlplane.console.approvals.dialogs import Seen
from controlplane.console.approvals.marks import read_marks
from controlplane.console.dialogs import LONGEST_REASON, Dialog, Done, ExactField, Reason, Words
from controlplane.delivery.readers.notices import count_told_of_glass
from registry.models import User


class Overruling(Seen):
    """The approval: reason, destination, amount."""

    reason = forms.CharField(
        label="Reason", max_length=LONGEST_REASON, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept in the audit trail, and told to those above, with your name.",
    )  # fmt: skip
    destination = ExactField(
        label="Destination", max_length=2048, widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Type the first destination as it stands in the request.",
    )  # fmt: skip
    confirmed_amount = forms.CharField(
        label="Amount", max_length=64, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Where a queue wants it typed.",
    )  # fmt: skip


class BreakGlass(Dialog):
    """Open the bytes of a request that others review."""

    form_class = Reason
    row: ApprovalRequest

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Break the glass?",
            (
                "You open the exact bytes of a request that others review. The trail says so, with your reason.",
                "Approving it in their place is a second step.",
            ),
            "Open the bytes",
            danger=True,
        )

    def check(self) -> None:
        """Only an open request, and only with the right."""
        require_break_glass(self.row, self.user)
        if not self.row.is_open(self.now):
            raise Conflict("It is closed.")

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Open, and offer the second step below the bytes."""
        self.check()
        revision = read_under_break_glass(request=self.row, reason=data["reason"], by=self.user, now=self.now)
        context = {
            "title": f"{self.row.agent.slug} asks to {self.row.decision.verb}",
            "page": {
                "marked": read_marks(self.row, revision),
                "bytes": shown(bytes(revision.body)),
                "digest": revision.digest,
                "revision": revision.number,
            },
            "form": Overruling(
                initial={"revision": revision.number, "digest": revision.digest, "reason": data["reason"]}
            ),
            "words": overruling_words(self.row, by=self.user, now=self.now),
            "action": page_of(self.row, "overrule"),
            "back": self.back(),
            "may_retry": True,
        }
        return self.framed("console/approvals/glass.html", context)


def overruling_words(request: ApprovalRequest, *, by: User, now: datetime) -> Words:
    """Say whom the approval overrules, and who is told of it."""
    queues = list(request.queues.all())
    needed = sum(queue.quorum for queue in queues)
    names = ", ".join(queue.slug for queue in queues)
    return Words(
        f"You override {formats.plural(needed, 'reviewer')}.",
        (
            f"The queues {names} are passed over. Whoever reads the trail sees it, with your name and reason.",
            _who_is_told(request, by=by, now=now),
            "The agent may execute these bytes once, within 15 minutes; policy, limits and budget are checked again.",
        ),
        "Approve in their place",
        danger=True,
    )


def _who_is_told(request: ApprovalRequest, *, by: User, now: datetime) -> str:
    whom = f"the reviewers, the operators of {request.team} and the owner of {request.agent.slug}"
    told = count_told_of_glass(request, by=by, now=now)
    if not told:
        return f"Tell them yourself: of {whom}, nobody else has a channel for it."
    reached = formats.plural(told, "person", "people")
    return f"At once {whom} are told, with your name and reason, where they have a channel: {reached}."


class Overrule(Dialog):
    """Approve in the reviewers' place."""

    form_class: ClassVar[type[forms.Form]] = Overruling
    row: ApprovalRequest

    def words(self) -> Words:
        """Say whom it overrules."""
        return overruling_words(self.row, by=self.user, now=self.now)

    def initial(self) -> dict[str, Any]:
        """Carry the revision that is current; the operation wants its bytes opened first."""
        current = current_revision(self.row)
        return {"revision": current.number, "digest": current.digest}

    def check(self) -> None:
        """Only with the right."""
        require_break_glass(self.row, self.user)
        if not self.row.is_open(self.now):
            raise Conflict("It is closed.")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Approve."""
        overrule(
            request_id=self.row.pk, revision=data["revision"], digest=data["digest"],
            destination=data["destination"], reason=data["reason"], confirmed_amount=data["confirmed_amount"],
            by=self.user, now=self.now,
        )  # fmt: skip
        return Done("Approved under break-glass.", page_of(self.row))
