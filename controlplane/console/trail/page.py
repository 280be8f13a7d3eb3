"""The page of one entry: what was done, and its place in the chain."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from audit.chain import GENESIS, as_dict, hash_link
from audit.models import Entry, Seal
from controlplane.console.admins import page_of


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The entry before or after, as far as the person may see it; the seal itself is everybody's."""

    seq: int
    hash: str
    url: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    """Everything that the page shows.

    Attributes:
        details: parsed.
        seal: its place in the chain; None where it has none yet.
        before, after: its neighbours; None at the ends.
        whole: whether the entry hashes to its seal and follows the one before; None without a seal.
        wrong: what does not fit, in words; empty where all does.
    """

    heading: str
    entry: Entry
    details: Any
    seal: Seal | None
    before: Neighbour | None
    after: Neighbour | None
    whole: bool | None
    wrong: str


def read_entry(entry: Entry, *, visible: QuerySet[Entry]) -> EntryPage:
    """Read the page.

    Args:
        entry: visible to the person.
        visible: all entries that are.
    """
    seal = Seal.objects.filter(entry_id=entry.pk).first()
    near = {row.seq: row for row in Seal.objects.filter(seq__in=(seal.seq - 1, seal.seq + 1))} if seal else {}
    seen = {row.pk: row for row in visible.filter(pk__in=[row.entry_id for row in near.values()])}
    before = near.get(seal.seq - 1) if seal else None
    wrong = _wrong(entry, seal, before) if seal else ""
    return EntryPage(
        heading=entry.kind,
        entry=entry,
        details=json.loads(entry.details),
        seal=seal,
        before=_neighbour(before, seen),
        after=_neighbour(near.get(seal.seq + 1) if seal else None, seen),
        whole=None if seal is None else not wrong,
        wrong=wrong,
    )


def _neighbour(seal: Seal | None, seen: dict[Any, Entry]) -> Neighbour | None:
    if seal is None:
        return None
    entry = seen.get(seal.entry_id)
    return Neighbour(seal.seq, seal.hash, page_of(entry) if entry else "", entry.kind if entry else "")


def _wrong(entry: Entry, seal: Seal, before: Seal | None) -> str:
    if hash_link(seal.prev_hash, as_dict(entry)) != seal.hash:
        return "The entry does not hash to what its seal says: it, or the seal, was changed."
    if seal.seq > 1 and before is None:
        return f"The seal {seal.seq - 1} before it is missing."
    if seal.prev_hash != (before.hash if before else GENESIS):
        return f"It does not follow the seal {seal.seq - 1}: that one, or this, was changed."
    return ""
