"""Pausing everything: the largest button of the console, and the most careful dialog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from controlplane.console import counting
from controlplane.console.admins import page_of
from controlplane.console.dialogs import ConsoleDialog, Done, Reason, Words
from registry.models import Agent
from registry.operations import kill
from registry.permissions import may_kill
from registry.states import KillScope
from runs.models import Run

SENTENCE = "pause everything"
_MOST = 1_000


class Everything(Reason):
    """Why, and the sentence that nobody types by accident."""

    confirmation = forms.CharField(
        label=f"Type: {SENTENCE}", max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip

    def clean_confirmation(self) -> str:
        """Ask for the sentence itself."""
        given: str = self.cleaned_data["confirmation"]
        if given.strip() != SENTENCE:
            raise forms.ValidationError(f"To pause every agent, type: {SENTENCE}")
        return given


class PauseEverything(ConsoleDialog):
    """Throw the kill switch over every agent."""

    form_class = Everything

    def words(self) -> Words:
        """Say the scope first."""
        agents, runs = counting.count_up_to((Agent.objects.active(), Run.objects.open()), _MOST)
        whom = f"{counting.written(agents, _MOST)} {'agent' if agents == 1 else 'agents'}"
        return Words(
            "Pause everything?",
            (
                f"{whom}, {counting.written(runs, _MOST)} running: the next ask or redeem of each is refused.",
                "Agents may still report. What runs already cannot be recalled, and approvals stay open.",
                "It lasts until somebody resumes; until then every page says so, with your name.",
            ),
            "Pause everything",
            danger=True,
        )

    def check(self) -> None:
        """Check the right."""
        may_kill(self.user, KillScope.ALL, "")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Throw it."""
        switch = kill(scope=KillScope.ALL, value="", reason=data["reason"], by=self.user, now=self.now)
        return Done("Everything is paused.", page_of(switch))
