"""Dialogs that give a person a right beside those of the role, and take it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms

from approvals.operations import grant_break_glass, withdraw_break_glass
from approvals.permissions import BREAK_GLASS
from controlplane.console.dialogs import Done, Words
from controlplane.console.registry.people_forms import PersonDialog
from costs.operations import grant_price, withdraw_price
from costs.permissions import PRICE
from registry.rights import Right


class WhichWay(forms.Form):
    """What the dialog offered when it was opened: a second administrator may have been quicker."""

    give = forms.ChoiceField(choices=[("yes", "give"), ("no", "take")], widget=forms.HiddenInput)


class RightDialog(PersonDialog):
    """Give the right to whoever lacks it, take it from whoever has it."""

    form_class = WhichWay
    right: ClassVar[Right]
    called: ClassVar[str]
    means: ClassVar[str]

    def initial(self) -> dict[str, Any]:
        """Offer what changes something."""
        return {"give": "no" if self.right.held_by(self.row) else "yes"}

    def words(self) -> Words:
        """Name the effect."""
        name = self.row.username
        if self.right.held_by(self.row):
            return Words(f"Take from {name} the right to {self.called}?", (self.means,), "Take the right", danger=True)
        return Words(f"Give {name} the right to {self.called}?", (self.means,), "Give the right")


class BreakGlass(RightDialog):
    """The right to approve in the place of the reviewers."""

    right = BREAK_GLASS
    called = "break the glass"
    means = "Approve alone, over the teams that they operate, with a reason that everybody can read in the trail."

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Change it."""
        change = grant_break_glass if data["give"] == "yes" else withdraw_break_glass
        changed = change(user=self.row, by=self.user, now=self.now)
        return self.done("The right is changed." if changed else "It was so already.")


class Pricing(RightDialog):
    """The right to price usage."""

    right = PRICE
    called = "price usage"
    means = "For an operator: write down what a model costs, which prices again what was used."

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Change it."""
        change = grant_price if data["give"] == "yes" else withdraw_price
        changed = change(user=self.row, by=self.user, now=self.now)
        return self.done("The right is changed." if changed else "It was so already.")


RIGHTS = {"break-glass": BreakGlass, "pricing": Pricing}
