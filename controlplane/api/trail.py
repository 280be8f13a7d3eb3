"""The audit trail for people."""

from __future__ import annotations

import json
from typing import Any

import django_filters as df
from django.db.models import OuterRef, QuerySet, Subquery
from rest_framework import serializers as s
from rest_framework.request import Request

from audit.models import Entry, Seal
from controlplane.api.filters import Since, Until, Word
from controlplane.api.people import DetailView, ListView, find, person_of, reads
from registry.models import User

_ACTORS = [("person", "person"), ("agent", "agent"), ("system", "system")]


class EntryShape(s.Serializer[Any]):
    """One thing that was done."""

    id = s.UUIDField()
    seq = s.IntegerField(allow_null=True, help_text="place in the sealed order, from 1; null: not sealed yet")
    hash = s.CharField(allow_null=True, help_text="SHA-256 of the chain up to here, hex; null likewise")
    at = s.DateTimeField(help_text="UTC")
    actor_type = s.ChoiceField(_ACTORS)
    actor_id = s.CharField()
    on_behalf_of = s.CharField()
    token_id = s.CharField(help_text="public id of the key or token used, or empty")
    address = s.CharField(help_text="network address of the caller, or empty")
    request_id = s.CharField()
    kind = s.CharField(help_text="what was done, dotted")
    object_type = s.CharField()
    object_id = s.CharField()
    team = s.CharField(help_text="slug of the team at that time, or empty")
    agent = s.CharField(help_text="slug of the agent concerned, or empty")
    outcome = s.CharField()
    before_digest = s.CharField()
    after_digest = s.CharField()
    commitment = s.CharField(help_text="SHA-256(salt ‖ payload), hex, or empty")
    details = s.SerializerMethodField(help_text="ids, revisions, reasons; never payloads")

    def get_details(self, entry: Entry) -> dict[str, Any]:
        """Return the details, parsed."""
        return dict(json.loads(entry.details))


class EntryFilters(df.FilterSet):
    """Filters of the trail."""

    kind = Word("kind")
    object_type = Word("object_type")
    object_id = Word("object_id")
    team = Word("team")
    agent = Word("agent")
    actor_type = df.ChoiceFilter(choices=_ACTORS, label="exact", empty_label=None)
    actor_id = Word("actor_id")
    outcome = Word("outcome")
    request_id = Word("request_id")
    since = Since(by_id=True)
    until = Until()


def readable(user: User) -> QuerySet[Entry]:
    """Return the entries that a person reads: their teams' (as these were then) and their agents'; all for some."""
    sealed = Seal.objects.filter(entry_id=OuterRef("pk"))
    rows = Entry.objects.visible_to(user)
    return rows.annotate(seq=Subquery(sealed.values("seq")), hash=Subquery(sealed.values("hash")))


@reads("list_audit")
class EntriesView(ListView):
    """The trail, newest first."""

    queryset = Entry.objects.all()
    serializer_class = EntryShape
    filterset_class = EntryFilters

    def get_queryset(self) -> QuerySet[Any]:
        """Return the readable entries."""
        return readable(person_of(self.request))


@reads("get_audit")
class EntryView(DetailView):
    """One entry."""

    queryset = Entry.objects.all()
    serializer_class = EntryShape

    def find(self, request: Request, **path: Any) -> Any:
        """Return the entry.

        Raises:
            Missing: there is none, or it is not theirs to read.
        """
        return find(readable(person_of(request)), **path)
