"""Verifying the trail, and taking a part of it along."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from django import forms
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from kombu.exceptions import OperationalError

from audit.chain import FIELDS, as_dict
from audit.models import Entry, Seal
from audit.operations import note_export, verify
from audit.refusals import Forbidden, Invalid, Unavailable
from audit.tasks import verify_trail
from controlplane.console.admins import list_of
from controlplane.console.dialogs import Dialog, Done, MomentField, Words
from registry.states import Role

VERIFIERS: Final = frozenset({Role.ADMIN, Role.AUDITOR})
MOST_EXPORTED: Final = 200_000
_CHUNK: Final = 1_000
# What a spreadsheet takes for a formula, or for the start of one after it has trimmed the cell.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_COLUMNS: Final = ("seq", "id", "at", *FIELDS, "hash")


class Verify(Dialog):
    """Check the whole trail now.

    Attributes:
        most_inline: longest trail that is checked while the person waits; a longer one is a task's.
    """

    most_inline: ClassVar[int] = 20_000

    def words(self) -> Words:
        """Name the effect."""
        return Words(
            "Verify the trail?",
            (
                "Every sealed entry is hashed again and compared with the chain. A long trail is checked by a task.",
                "The finding is kept, and the verification is an entry itself.",
            ),
            "Verify the trail",
        )

    def check(self) -> None:
        """Check the right."""
        if self.user.role not in VERIFIERS:
            raise Forbidden("Administrators and auditors verify the whole trail.")

    def back(self) -> str:
        """Lead to the list."""
        return list_of(Entry)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Verify, or have it verified."""
        self.check()
        newest = Seal.objects.order_by("-seq").first()
        if newest is not None and newest.seq > self.most_inline:
            return self._later()
        finding = verify(by=self.user, now=self.now)
        where = f"to {finding.seq}" if not finding.detail else f"at {finding.seq}: {finding.detail}"
        return Done(f"The trail is {finding.verdict} {where}.", list_of(Entry))

    def _later(self) -> Done:
        try:
            verify_trail.apply_async(args=(self.user.username,), retry=False)
        except OperationalError as error:
            raise Unavailable("The broker does not answer; nothing was started.") from error
        return Done("The verification was requested. Its finding will stand above this list.", list_of(Entry))


class Bounds(forms.Form):
    """What is taken along."""

    form = forms.ChoiceField(
        label="Form", choices=(("jsonl", "JSON lines, as audit_export writes them"), ("csv", "CSV for spreadsheets"))
    )
    since = MomentField(label="From", required=False, help_text="UTC, for example 2026-11-01 00:00")
    until = MomentField(label="Until", required=False, help_text="UTC, exclusive")


class Export(Dialog):
    """Take along what one may see of the trail."""

    form_class = Bounds

    def words(self) -> Words:
        """Say what they get."""
        return Words(
            "Export the trail?",
            (
                "You get the entries that you may see; as JSON lines, those that are sealed already.",
                "The export is an entry itself.",
                f"At most {MOST_EXPORTED:,} entries at once; the whole trail is written by audit_export.",
            ),
            "Export",
        )

    def back(self) -> str:
        """Lead to the list."""
        return list_of(Entry)

    def perform(self, data: Mapping[str, Any]) -> HttpResponse:
        """Record the export, then stream it."""
        rows = bounded(self.pages.visible(self.user), data["since"], data["until"])
        form = data["form"]
        counted: QuerySet[Any] = rows.order_by() if form == "csv" else _sealed(rows)
        number = counted[: MOST_EXPORTED + 1].count()
        if number > MOST_EXPORTED:
            raise Invalid(f"These are more than {MOST_EXPORTED:,} entries. Choose a shorter time.")
        since, until = (each.isoformat() if each else "" for each in (data["since"], data["until"]))
        note_export(form=form, entries=number, since=since, until=until, by=self.user, now=self.now)
        lines = as_csv(rows) if form == "csv" else as_jsonl(rows)
        answer = StreamingHttpResponse(
            lines, content_type="text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson"
        )
        answer["Content-Disposition"] = f'attachment; filename="audit.{form}"'
        answer["Cache-Control"] = "no-store"
        # A streamed answer is one; Django's stubs keep the two apart.
        return answer  # type: ignore[return-value]


def bounded(rows: QuerySet[Entry], since: datetime | None, until: datetime | None) -> QuerySet[Entry]:
    """Keep entries between two moments, the oldest first."""
    if since is not None:
        rows = rows.filter(at__gte=since)
    if until is not None:
        rows = rows.filter(at__lt=until)
    return rows.order_by("id")


def as_jsonl(rows: QuerySet[Entry]) -> Iterator[str]:
    """Write sealed entries as lines of JSON in the order of the chain; those of a whole trail verify offline."""
    last = 0
    while part := list(_sealed(rows).filter(seq__gt=last).order_by("seq")[:_CHUNK]):
        entries = Entry.objects.in_bulk([seal.entry_id for seal in part])
        for seal in part:
            line = {
                "seq": seal.seq,
                "prev_hash": seal.prev_hash,
                "hash": seal.hash,
                "entry": as_dict(entries[seal.entry_id]),
            }
            yield json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n"
        last = part[-1].seq


def _sealed(rows: QuerySet[Entry]) -> QuerySet[Seal]:
    return Seal.objects.filter(entry_id__in=rows.order_by().values("pk")).order_by()


def as_csv(rows: QuerySet[Entry]) -> Iterator[str]:
    """Write entries as CSV (RFC 4180), with what a spreadsheet would compute made text."""
    yield _row(_COLUMNS)
    for entry, seal in _with_seals(rows):
        told = {**as_dict(entry), "seq": seal.seq if seal else "", "hash": seal.hash if seal else ""}
        yield _row(harmless(str(told[name])) for name in _COLUMNS)


def harmless(cell: str) -> str:
    """Keep a spreadsheet from taking a cell for a formula: an apostrophe before it makes it text."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _row(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(list(cells))
    return out.getvalue()


def _with_seals(rows: QuerySet[Entry]) -> Iterator[tuple[Entry, Seal | None]]:
    """Walk in slices by id: memory stays flat, and each slice's seals come in one query."""
    last = None
    while True:
        part = list((rows.filter(pk__gt=last) if last else rows)[:_CHUNK])
        if not part:
            return
        seals = Seal.objects.in_bulk([entry.pk for entry in part])
        yield from ((entry, seals.get(entry.pk)) for entry in part)
        last = part[-1].pk
