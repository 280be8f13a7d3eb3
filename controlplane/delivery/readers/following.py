"""How a reader comes forward: its effect and its cursor in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from audit import sql
from audit.models import Entry, Seal
from audit.refusals import Stale
from controlplane.delivery.models import Cursor

BATCH = 500


@dataclass(frozen=True, slots=True)
class Sealed:
    """An entry and its place in the order."""

    seq: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Reader:
    """Something that the ordered trail is read to.

    Attributes:
        name: of its cursor.
        take: does what belongs into the database, in the cursor's transaction; returns how many messages it wrote for
            the sender.
        before: does what leaves the process and may be done twice, before that transaction begins.
    """

    name: str
    take: Callable[[Sequence[Sealed], datetime], int] | None = None
    before: Callable[[Sequence[Sealed]], None] | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What one step did: how many entries were read, and how many messages came of them."""

    entries: int
    messages: int


def follow(reader: Reader, *, now: datetime, limit: int = BATCH) -> Read:
    """Read on from where the reader stands, one batch.

    The cursor's guarded UPDATE lets one of several through; whoever comes second has written nothing. Killed before
    the commit, nothing happened; killed after it, all of it did.

    Args:
        reader: who.
        now: aware UTC.
        limit: entries at most.

    Raises:
        Stale: another process read on meanwhile.
    """
    # Read first, outside a transaction: on SQLite the writing one shuts everybody else out, and mostly there is
    # nothing new.
    stands = Cursor.objects.filter(name=reader.name).values_list("seq", flat=True).first()
    batch = _after(stands or 0, limit)
    if not batch:
        return Read(0, 0)
    if reader.before is not None:
        reader.before(batch)
    with transaction.atomic():
        sql.advisory_lock(f"delivery.reader.{reader.name}")
        if stands is None:
            stands = 0
            Cursor.objects.get_or_create(name=reader.name, defaults={"seq": 0})
        moved = Cursor.objects.filter(name=reader.name, seq=stands).update(seq=batch[-1].seq, moved_at=now)
        if moved != 1:
            raise Stale(f"The reader {reader.name} has read on meanwhile.")
        return Read(len(batch), reader.take(batch, now) if reader.take is not None else 0)


def _after(seq: int, limit: int) -> list[Sealed]:
    """Return the next entries without a gap.

    Raises:
        LookupError: a sealed entry is gone: the trail was tampered with, and nobody reads over it.
    """
    places = dict(Seal.objects.filter(seq__gt=seq).order_by("seq").values_list("entry_id", "seq")[:limit])
    entries = Entry.objects.in_bulk(list(places))
    if len(entries) != len(places):
        raise LookupError(f"entries behind seal {seq} are missing from the trail")
    return [Sealed(place, entries[entry_id]) for entry_id, place in places.items()]
