"""Live: what arrives, newest first. The page asks again when server push says that something happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from approvals.models import ApprovalRequest
from controlplane.console.admins import page_of
from controlplane.console.dialogs import FRAGMENT, ConsoleSubpage
from controlplane.console.runs.reading import name_of
from policies.models import Decision
from policies.states import Effect
from registry.models import User
from runs.models import Run

MOST_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class LiveRow:
    """One thing that arrived.

    Attributes:
        key: tells it from every other one.
        kind, state: how it is drawn.
        text: what it is, in the agent's words.
        agent: slug of whose it is.
        url: where it is shown.
        at: when it arrived.
    """

    key: str
    kind: str
    state: str
    text: str
    agent: str
    url: str
    at: datetime


def read_rows(user: User) -> tuple[LiveRow, ...]:
    """Return the newest held actions, decisions and runs that a person may see."""
    held = ApprovalRequest.objects.visible_to(user).select_related("agent", "decision").order_by("-id")[:MOST_ROWS]
    # What is held is shown as that, and not once more as a decision.
    decided = (
        Decision.objects.visible_to(user).real().exclude(effect=Effect.REVIEW).select_related("agent").order_by("-id")
    )
    runs = Run.objects.visible_to(user).select_related("agent").order_by("-id")[:MOST_ROWS]
    found = [
        *(
            LiveRow(str(row.pk), "approval", row.state, row.decision.verb, row.agent.slug, page_of(row), row.created_at)
            for row in held
        ),
        *(
            LiveRow(str(row.pk), "effect", row.effect, row.verb, row.agent.slug, page_of(row), row.at)
            for row in decided[:MOST_ROWS]
        ),
        *(
            LiveRow(str(row.pk), "run", row.status, name_of(row), row.agent.slug, page_of(row), row.received_at)
            for row in runs
        ),
    ]
    return tuple(sorted(found, key=attrgetter("at"), reverse=True)[:MOST_ROWS])


class Live(ConsoleSubpage):
    """The page, and its rows alone for the script; it is read only."""

    def get(self, request: HttpRequest, **_: object) -> HttpResponse:
        """Show it."""
        context = {"rows": read_rows(self.user), "title": "Live"}
        if request.headers.get(FRAGMENT):
            return TemplateResponse(request, "console/live/rows.html", context)
        return self.framed("console/live/page.html", context)
