"""The trail: who did what, and the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit.models import Entry, Seal, Verification
from audit.operations import verify
from audit.refusals import Forbidden
from controlplane.console import formats
from controlplane.console.admins import READERS, Button, ConsoleAdmin, Empty, Fact, Sheet, list_of
from controlplane.console.dialogs import Dialog, Done, Words
from controlplane.console.lists import ByAgent, Since
from controlplane.console.people import viewer
from controlplane.console.tags import write_details
from registry.models import Agent, Team, User
from registry.states import Role

LAGGING = timedelta(seconds=30)
_VERIFIERS = frozenset({Role.ADMIN, Role.AUDITOR})


@dataclass(frozen=True, slots=True)
class TrailStanding:
    """How the trail stands.

    Attributes:
        seq: last sealed number.
        waiting_since: time of the oldest entry that no seal covers, None where all are sealed.
        verdict: of the last verification, or ``unchecked``.
        verified_at: when that was.
    """

    seq: int
    waiting_since: datetime | None
    verdict: str
    verified_at: datetime | None
    lagging: bool


def read_standing(*, now: datetime) -> TrailStanding:
    """Read how the trail stands."""
    newest = Seal.objects.order_by("-seq").first()
    oldest = Entry.objects.unsealed(since=newest).order_by("id").first()
    last = Verification.objects.first()
    waiting = oldest.at if oldest else None
    return TrailStanding(
        newest.seq if newest else 0,
        waiting,
        last.verdict if last else "unchecked",
        last.at if last else None,
        waiting is not None and now - waiting > LAGGING,
    )


class Verify(Dialog):
    """Check the whole trail now."""

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Verify the trail?",
            (
                "Every sealed entry is hashed again and compared with the chain. A long trail takes a while.",
                "The finding is kept, and the verification is an entry itself.",
            ),
            "Verify the trail",
        )

    def check(self) -> None:
        """Check the right."""
        if self.user.role not in _VERIFIERS:
            raise Forbidden("Administrators and auditors verify the whole trail.")

    def back(self) -> str:
        """Lead to the list."""
        return list_of(Entry)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Verify."""
        self.check()
        finding = verify(by=self.user, now=self.now)
        where = f"to {finding.seq}" if not finding.detail else f"at {finding.seq}: {finding.detail}"
        return Done(f"The trail is {finding.verdict} {where}.", list_of(Entry))


class OfAgent(ByAgent):
    """The agent that an entry concerns, by its slug."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep entries about the agent."""
        return queryset.filter(agent=self.value()) if self.value() else queryset


class EntryPages(ConsoleAdmin):
    """Entries of the trail."""

    plural = "Audit trail"
    roles = READERS
    list_dialogs = {"verify": Verify}
    change_list_template = "console/audit/list.html"
    empty = Empty("No entries yet.", "Each change leaves one, in its own transaction.")
    list_display = ("kind", "who", "about", "agent", "outcome", "exact_time", "seq")
    list_filter = (Since, OfAgent, "actor_type")
    search_fields = ("kind", "actor_id", "object_id", "agent", "request_id")
    search_help_text = "Search kind, person, object id, request id"

    def visible(self, user: User) -> QuerySet[Entry]:
        """All for administrators and auditors, else entries of operated teams and owned agents."""
        if user.sees_everything:
            return Entry.objects.all()
        teams = list(Team.objects.operated_by(user).values_list("slug", flat=True))
        agents = list(Agent.objects.filter(owner=user).values_list("slug", flat=True))
        return Entry.objects.filter(Q(team__in=teams) | Q(agent__in=agents))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Bring the numbers of the shown entries in one query: the trail holds no foreign keys."""
        cl = super().get_changelist_instance(request)
        seals = Seal.objects.filter(entry_id__in=[row.pk for row in cl.result_list])
        found = dict(seals.values_list("entry_id", "seq"))
        for row in cl.result_list:
            row.seq_now = found.get(row.pk)
        return cl

    def changelist_view(self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None) -> HttpResponse:
        """Show the trail, and how it stands."""
        return super().changelist_view(
            request, {"standing": read_standing(now=timezone.now()), **(extra_context or {})}
        )

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer to verify."""
        if viewer(request).role not in _VERIFIERS:
            return ()
        return (Button("Verify the trail…", f"{list_of(Entry)}do/verify/", "main"),)

    @admin.display(description="who", ordering="actor_id")
    def who(self, row: Entry) -> SafeString:
        """Name the actor."""
        behalf = f" for {row.on_behalf_of}" if row.on_behalf_of else ""
        return format_html('{}{} <span class="cp-note">{}</span>', row.actor_id, behalf, row.actor_type)

    @admin.display(description="about", ordering="object_id")
    def about(self, row: Entry) -> str:
        """Name the object."""
        return f"{row.object_type} {formats.short_id(row.object_id) if len(row.object_id) > 30 else row.object_id}"

    @admin.display(description="when", ordering="at")
    def exact_time(self, row: Entry) -> str:
        """Write the time in UTC with seconds."""
        return formats.absolute(row.at)

    @admin.display(description="seq")
    def seq(self, row: Any) -> str:
        """Write the place in the order."""
        return str(row.seq_now) if row.seq_now else "not sealed yet"

    def page(self, request: HttpRequest, row: Entry) -> Sheet:
        """Show the entry."""
        seal = Seal.objects.filter(entry_id=row.pk).first()
        return Sheet(
            row.kind,
            (
                Fact("When", formats.absolute(row.at)),
                Fact("Who", self.who(row)),
                Fact("Key or token", row.token_id or "none"),
                Fact("Address", row.address or "none"),
                Fact("Request", row.request_id or "none", code=True),
                Fact("About", f"{row.object_type} {row.object_id}", code=True),
                Fact("Agent", row.agent or "none"),
                Fact("Team", row.team or "none"),
                Fact("Outcome", row.outcome or "none"),
                Fact("Digest before", row.before_digest or "none", code=True),
                Fact("Digest after", row.after_digest or "none", code=True),
                Fact("Commitment to the payload", row.commitment or "none", code=True),
                Fact("Details", write_details(row.details), code=True),
                Fact("Number", seal.seq if seal else "not sealed yet"),
                Fact("Hash", seal.hash if seal else "not sealed yet", code=True),
                Fact("Hash before", seal.prev_hash if seal else "not sealed yet", code=True),
            ),
        )
