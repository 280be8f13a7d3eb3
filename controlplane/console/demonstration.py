"""Loading the demonstration from the empty console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from audit.refusals import Conflict
from controlplane import demo
from controlplane.console.dialogs import ConsoleDialog, Words
from registry.permissions import may_manage_people


class LoadDemonstration(ConsoleDialog):
    """Set the demonstration up; its one-time passwords and its key are shown once."""

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Load the demonstration?",
            (
                "A team, two agents, two people, a queue, policies and a budget are set up, all named “demo”.",
                "Executions that were captured from n8n are imported as runs.",
                "Agents cannot be deleted, only retired: better not on an installation that already serves you.",
            ),
            "Load the demonstration",
        )

    def check(self) -> None:
        """Administrators load it, once."""
        may_manage_people(self.user)
        if demo.is_loaded():
            raise Conflict("The demonstration is loaded already.")

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Load it and show what cannot be shown again."""
        self.check()
        loaded = demo.load(by=self.user, now=self.now)
        context = {"title": "The demonstration is loaded", "loaded": loaded, "back": self.back()}
        response = self.framed("console/demonstration.html", context)
        response["Cache-Control"] = "no-store"
        return response
