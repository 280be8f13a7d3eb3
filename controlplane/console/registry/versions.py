"""Versions of agents: the list, and the page with the definition and what it changes against the live one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from controlplane.console import text
from controlplane.console.admins import Button, ConsoleAdmin, Empty, page_of
from controlplane.console.diffs import Line, line_diff
from controlplane.console.lists import ByAgent, agent_column, state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.registry.other_dialogs import EditDraft, Promote
from registry.models import Agent, AgentVersion, Release, User
from registry.permissions import operates
from registry.states import Environment, ReleaseState, VersionState


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """Everything that the page shows.

    Attributes:
        definition: laid out in lines.
        against: number of the version live in production that `diff` compares with; None where there is none.
        live_in: environments in which it is live.
    """

    heading: str
    agent: str
    agent_url: str
    number: int
    state: str
    note: str
    checksum: str
    author: str
    created_at: datetime
    live_in: tuple[str, ...]
    definition: str
    against: int | None
    diff: tuple[Line, ...]
    buttons: tuple[Button, ...]


def read_version(version: AgentVersion, *, user: User) -> VersionPage:
    """Read the page; agent, team and author are joined."""
    live = list(Release.objects.filter(agent=version.agent, state=ReleaseState.LIVE).select_related("version"))
    other = next((row.version for row in live if row.environment == Environment.PRODUCTION), None)
    compared = other is not None and other.pk != version.pk
    definition = text.pretty(version.definition)
    away = "" if operates(user, version.agent.team) else "Operators of the agent's team and administrators release."
    buttons = [Button(f"Promote v{version.number}…", page_of(version, "promote"), "main", away)]
    if version.state == VersionState.DRAFT:
        buttons.append(Button("Edit the draft…", page_of(version, "edit"), obstacle=away))
    return VersionPage(
        heading=f"{version.agent.slug} v{version.number}",
        agent=version.agent.slug,
        agent_url=page_of(version.agent),
        number=version.number,
        state=version.state,
        note=version.note,
        checksum=version.checksum,
        author=version.created_by.username,
        created_at=version.created_at,
        live_in=tuple(row.environment for row in live if row.version_id == version.pk),
        definition=definition,
        against=other.number if other is not None and compared else None,
        diff=tuple(line_diff(text.pretty(other.definition), definition)) if other is not None and compared else (),
        buttons=tuple(buttons),
    )


class VersionPages(ConsoleAdmin):
    """Versions."""

    plural = "Versions"
    related = ("agent__team", "agent__owner", "created_by")
    page_template = "console/registry/version.html"
    dialogs = {"promote": Promote, "edit": EditDraft}
    empty = Empty("No versions yet.", "An agent gets version 1 when it is registered.")
    list_display = ("name", "standing", "of_agent", "note", "created_by", "created")
    list_filter = ("state", ByAgent)
    search_fields = ("agent__slug", "note", "checksum")

    of_agent = agent_column()
    standing = state_column("version")
    created = time_column("created_at")

    def visible(self, user: User) -> QuerySet[Any]:
        """Versions of visible agents."""
        return AgentVersion.objects.filter(agent__in=Agent.objects.visible_to(user).values("pk"))

    @admin.display(description="version", ordering="number")
    def name(self, row: AgentVersion) -> str:
        """Write the number."""
        return f"v{row.number}"

    def page(self, request: HttpRequest, row: AgentVersion) -> VersionPage:
        """Read the version page."""
        return read_version(row, user=viewer(request))
