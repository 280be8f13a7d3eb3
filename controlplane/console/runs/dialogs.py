"""What people do with runs: open a step's payload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse

from audit.refusals import Forbidden
from controlplane.console.dialogs import Dialog, Reason, Words
from controlplane.console.text import named
from runs.models import Run, Step
from runs.operations import read_payload
from runs.permissions import may_break_glass, may_read_payload


class OpenPayload(Dialog):
    """What a step took in and gave out: a reading, which the operation records.

    The owner reads at once, which is the one exemption from "no change on GET"; an
    administrator gives a reason first.
    """

    form_class = Reason
    row: Run

    @property
    def step(self) -> Step:
        """The step that the address names.

        Raises:
            Http404: there is none of this run.
        """
        try:
            wanted = UUID(self.request.GET.get("step", ""))
        except ValueError as error:
            raise Http404 from error
        step = Step.objects.select_related("run__agent__team", "agent__team").filter(run=self.row, pk=wanted).first()
        if step is None:
            raise Http404
        return step

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            f"Open what “{self.step.name}” took in and gave out?",
            ("You break the glass: its owner's people read it as a matter of course, you give a reason, which stays.",),
            "Open it",
            danger=True,
        )

    def check(self) -> None:
        """Say at once who reads."""
        if not may_break_glass(self.user):
            raise Forbidden("Payloads are for the agent's owner in the run's team.")

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        """Open it for the owner; ask others why."""
        return self.opened("") if may_read_payload(self.user, self.row) else super().get(request)

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Open it, with the reason."""
        return self.opened(data["reason"])

    def opened(self, reason: str) -> HttpResponse:
        """Read and show."""
        step = self.step
        payload = read_payload(step=step, by=self.user, now=self.now, reason=reason)
        context = {"title": named(step.name), "step": step, "payload": payload, "back": self.back()}
        response = self.framed("console/runs/payload.html", context)
        response["Cache-Control"] = "no-store"
        return response
