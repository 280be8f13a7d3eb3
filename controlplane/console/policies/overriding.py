"""Saying that a closed decision should have been another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from approvals.models import ApprovalRequest
from approvals.operations import mark_override
from approvals.states import Verdict
from controlplane.console.dialogs import Dialog, Done, Reason, Words
from policies.models import Decision


class Should(Reason):
    """What it should have been, and why."""

    should = forms.ChoiceField(
        label="It should have been", widget=forms.RadioSelect,
        choices=((Verdict.APPROVE, "approved"), (Verdict.REJECT, "rejected")),
    )  # fmt: skip
    field_order = ("should", "reason")


class MarkOverride(Dialog):
    """Mark a closed decision, of a policy or of people."""

    form_class = Should
    row: Decision | ApprovalRequest

    def decision(self) -> Decision:
        """Return the decision that is meant."""
        return self.row.decision if isinstance(self.row, ApprovalRequest) else self.row

    def words(self) -> Words:
        """Say that it changes nothing."""
        return Words(
            "What should it have been?",
            ("Your mark counts in the rates of overrides. It changes nothing that was decided or done.",),
            "Save the mark",
        )

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Mark."""
        mark_override(
            decision=self.decision(), should=Verdict(data["should"]), reason=data["reason"], by=self.user, now=self.now
        )
        return Done("Your mark is saved.", self.pages.address(self.row))
