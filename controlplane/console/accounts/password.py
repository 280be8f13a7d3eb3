"""A person's own password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm

from controlplane.accounts import sessions
from controlplane.console.dialogs import ConsoleDialog, Done, Words
from registry.operations import change_password


class OwnPassword(ConsoleDialog):
    """Change one's own password, by the operation: Django's own form would leave no trail."""

    def words(self) -> Words:
        """Name the effect."""
        return Words("Change your password", ("Your other sessions end; this one goes on.",), "Change the password")

    def make_form(self, data: Any = None) -> forms.Form:
        """Ask for the old one and twice for the new one."""
        return PasswordChangeForm(self.user, data)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Change it."""
        user = self.user
        change_password(user=user, password=data["new_password1"], by=user, now=self.now)
        sessions.keep(self.request, user)
        return Done("Your password is changed.", self.back())
