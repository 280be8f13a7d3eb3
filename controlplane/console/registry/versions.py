"""Versions of agents: the list, and the page with the definition and what it changes against the live one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib import admin
from django.http import HttpRequest

from controlplane.console import text
from controlplane.console.admins import Button, ConsoleAdmin, Empty, page_of
from controlplane.console.lists import ByAgent, agent_column, state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.registry.comparing import Change, compare
from controlplane.console.registry.version_dialogs import Discard, EditDraft, Promote
from registry.models import AgentVersion, Release, User
from registry.permissions import operates
from registry.states import Environment, ReleaseState, VersionState

_MOST_OTHERS: Final = 50
_LONGEST_NUMBER: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """Everything that the page shows.

    Attributes:
        definition: laid out in lines.
        against: number of the version that `changes` compares with; None where there is none.
        others: numbers of the versions that it can be compared with, and their addresses.
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
    against_live: bool
    others: tuple[tuple[int, str], ...]
    changes: tuple[Change, ...]
    buttons: tuple[Button, ...]


def read_version(version: AgentVersion, *, user: User, against: str = "") -> VersionPage:
    """Read the page.

    Args:
        version: agent, team and author are joined.
        user: who looks.
        against: number of the version to compare with; else the one live in production.
    """
    live = list(Release.objects.filter(agent=version.agent, state=ReleaseState.LIVE).select_related("version"))
    standing = next((row.version for row in live if row.environment == Environment.PRODUCTION), None)
    chosen = _chosen(version, against)
    other = chosen or standing
    if other is not None and other.pk == version.pk:
        other = None
    numbers = AgentVersion.objects.filter(agent=version.agent).exclude(pk=version.pk).values_list("number", flat=True)
    away = "" if operates(user, version.agent.team) else "Operators of the agent's team and administrators release."
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
        definition=text.pretty(version.definition),
        against=other.number if other is not None else None,
        against_live=other is not None and standing is not None and other.pk == standing.pk,
        others=tuple((number, f"{page_of(version)}?against={number}#diff") for number in numbers[:_MOST_OTHERS]),
        changes=compare(other.definition, version.definition) if other is not None else (),
        buttons=_buttons(version, away),
    )


def _chosen(version: AgentVersion, against: str) -> AgentVersion | None:
    """Return the version of the same agent that the address names."""
    if not against.isdecimal() or len(against) > _LONGEST_NUMBER:
        return None
    return AgentVersion.objects.filter(agent=version.agent, number=int(against)).first()


def _buttons(version: AgentVersion, away: str) -> tuple[Button, ...]:
    if version.state == VersionState.DISCARDED:
        return ()
    buttons = [Button(f"Promote v{version.number}…", page_of(version, "promote"), "main", away)]
    if version.state == VersionState.DRAFT:
        buttons.append(Button("Edit the draft…", page_of(version, "edit"), obstacle=away))
        buttons.append(Button("Discard the draft…", page_of(version, "discard"), "danger", away))
    return tuple(buttons)


class VersionPages(ConsoleAdmin):
    """Versions."""

    plural = "Versions"
    related = ("agent__team", "agent__owner", "created_by")
    page_template = "console/registry/version.html"
    dialogs = {"promote": Promote, "edit": EditDraft, "discard": Discard}
    empty = Empty("No versions yet.", "An agent gets version 1 when it is registered.")
    list_display = ("name", "standing", "of_agent", "note", "created_by", "created")
    list_filter = ("state", ByAgent)
    search_fields = ("agent__slug", "note", "checksum")

    of_agent = agent_column()
    standing = state_column("version")
    created = time_column("created_at")

    @admin.display(description="version", ordering="number")
    def name(self, row: AgentVersion) -> str:
        """Write the number."""
        return f"v{row.number}"

    def page(self, request: HttpRequest, row: AgentVersion) -> VersionPage:
        """Read the version page."""
        return read_version(row, user=viewer(request), against=request.GET.get("against", ""))
