"""The trail: the list with its filters, and how the chain stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit.models import Entry, Seal
from controlplane.console import formats
from controlplane.console.admins import READERS, Button, ConsoleAdmin, Empty, list_of, page_of
from controlplane.console.lists import ByAgent, Fixed, Since
from controlplane.console.people import viewer
from controlplane.console.trail.dialogs import VERIFIERS, Export, Verify
from controlplane.console.trail.page import EntryPage, read_entry
from controlplane.console.trail.standing import read_standing

# Fields of the form above the list, by the look-up that the list understands.
FIELDS: Final = {
    "actor_id": "Actor",
    "kind__startswith": "Kind begins with",
    "object_type": "Kind of object",
    "object_id": "Object",
    "outcome": "Outcome",
    "at__gte": "From, UTC",
    "at__lt": "Until, UTC",
}
_MOMENTS: Final = frozenset({"at__gte", "at__lt"})
_SEQ: Final = "seq"


class OfAgent(ByAgent):
    """The agent that an entry concerns, by its slug."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep entries about the agent."""
        return queryset.filter(agent=self.value()) if self.value() else queryset


class ByActorType(Fixed):
    """What kind of actor."""

    title, parameter_name = "actor type", "actor_type"
    words = ("person", "agent", "system")


class EntryPages(ConsoleAdmin):
    """Entries of the trail."""

    plural = "Audit trail"
    roles = READERS
    list_dialogs = {"verify": Verify, "export": Export}
    page_template = "console/audit/entry.html"
    change_list_template = "console/audit/list.html"
    empty = Empty("No entries yet.", "Each change leaves one, in its own transaction.")
    list_display = ("kind", "who", "about", "agent", "outcome", "exact_time", "seq")
    list_filter = (Since, OfAgent, ByActorType)
    link_lookups = frozenset(FIELDS)
    search_fields = ("kind", "actor_id", "object_id", "agent", "request_id")
    search_help_text = "Search kind, person, object id, request id"

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Bring the numbers of the shown entries in one query: the trail holds no foreign keys."""
        cl = super().get_changelist_instance(request)
        seals = Seal.objects.filter(entry_id__in=[row.pk for row in cl.result_list])
        found = dict(seals.values_list("entry_id", "seq"))
        for row in cl.result_list:
            row.seq_now = found.get(row.pk)
        return cl

    def changelist_view(self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None) -> HttpResponse:
        """Show the trail, and how it stands; a number leads to its entry."""
        if not self.has_module_permission(request):
            return super().changelist_view(request, extra_context)
        wrong = ""
        if _SEQ in request.GET:
            url = self._by_number(request, request.GET[_SEQ])
            if url:
                return HttpResponseRedirect(url)
            wrong = "No entry that you may see has this number." if request.GET[_SEQ] else ""
        tidy, bad = _tidy(request.GET)
        if tidy.urlencode() != request.GET.urlencode() and not wrong and not bad:
            return HttpResponseRedirect(f"?{tidy.urlencode()}")
        request.GET = tidy  # type: ignore[assignment]  # what the list would not understand is left out
        context = {
            "standing": read_standing(now=timezone.now()),
            "fields": [(name, label, tidy.get(name, "")) for name, label in FIELDS.items()],
            "narrowed": any(name in tidy for name in FIELDS),
            "wrong": wrong or bad,
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def _by_number(self, request: HttpRequest, text: str) -> str:
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            return ""
        seal = Seal.objects.filter(seq=int(text)).first()
        entry = self.get_queryset(request).filter(pk=seal.entry_id).first() if seal else None
        return page_of(entry) if entry else ""

    def list_buttons(self, request: HttpRequest) -> Sequence[Button]:
        """Offer to export what one sees, and to verify."""
        export = Button("Export…", f"{list_of(Entry)}do/export/")
        if viewer(request).role not in VERIFIERS:
            return (export,)
        return (export, Button("Verify the trail…", f"{list_of(Entry)}do/verify/", "main"))

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

    def page(self, request: HttpRequest, row: Entry) -> EntryPage:
        """Show the entry and its place in the chain."""
        return read_entry(row, visible=self.visible(viewer(request)))


def _tidy(given: QueryDict) -> tuple[QueryDict, str]:
    """Leave empty fields out, and moments that are none; say what was wrong with these."""
    tidy = given.copy()
    wrong = []
    tidy.pop(_SEQ, None)
    for name in FIELDS:
        value = tidy.get(name, "").strip()
        if not value:
            tidy.pop(name, None)
        elif name in _MOMENTS:
            moment = _moment(value)
            if moment:
                tidy[name] = moment
            else:
                wrong.append(f"“{FIELDS[name]}” is no time: write 2026-11-23 or 2026-11-23 10:00.")
                tidy.pop(name, None)
    return tidy, " ".join(wrong)


def _moment(text: str) -> str:
    """Write a time as the list reads it, in UTC where it names no zone; empty where it is none."""
    try:
        found = parse_datetime(text)
        day = parse_date(text) if found is None else None
    except ValueError:
        return ""
    if found is None and day is not None:
        found = datetime.combine(day, time.min)
    if found is None:
        return ""
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return ""
