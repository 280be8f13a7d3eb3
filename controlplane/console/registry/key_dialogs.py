"""What people do to keys: revoke, rotate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpResponse

from controlplane.console.admins import page_of
from controlplane.console.dialogs import Dialog, Done, OptionalReason, Words
from controlplane.console.registry.fields import FieldDialog
from registry import permissions
from registry.models import AgentKey
from registry.operations import revoke_key, rotate_key


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


class Rotation(forms.Form):
    """How long both work, and how long the new one lives."""

    hours = forms.IntegerField(
        label="Both work for (hours)", min_value=0, max_value=168, initial=24,
        help_text="Time to put the new key in place; then the old one ends.",
    )  # fmt: skip
    days = forms.IntegerField(label="The new one lives (days)", min_value=1, max_value=365, initial=90)


class RotateKey(FieldDialog):
    """Issue a successor with the same scopes."""

    form_class = Rotation
    row: AgentKey

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Rotate {self.row}?",
            (
                "A new key with the same scopes and environment is shown once, on the next page.",
                "The old one goes on working for the overlap, and ends by itself.",
                "You will not be able to vote on what the agent asks with the new one.",
            ),
            "Issue the new key",
        )

    def check(self) -> None:
        """Check the right."""
        permissions.may_issue_keys(self.user, self.row.agent)

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Rotate it and show the new one; the page is kept by nobody."""
        key, secret = rotate_key(
            key=self.row, overlap=timedelta(hours=data["hours"]), days=data["days"], by=self.user, now=self.now
        )
        context = {"title": f"Key of {key.agent.slug}", "key": key, "secret": secret, "back": page_of(key.agent)}
        response = self.framed("console/registry/new_key.html", context)
        response["Cache-Control"] = "no-store"
        return response
