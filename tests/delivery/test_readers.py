"""Readers follow the trail without a gap, one at a time, and a crash doubles and loses nothing."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

import pytest
from django.db import transaction

from audit.models import Seal
from audit.operations import seal
from controlplane.delivery.models import Cursor, Delivery
from controlplane.delivery.readers import Reader, Sealed, follow
from controlplane.delivery.readers.fanout import FANOUT
from tests.delivery.sink import Sink
from tests.delivery.steps import SOON, connect, happen, read_on
from tests.world import World

KIND = "run.ingested"


class Crash(Exception):
    """The process dies here."""


class Seen:
    """A reader that keeps what it was given, in the database: kinds of entries as names of cursors."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.reader = Reader("seen", take=self._take)

    def _take(self, batch: Sequence[Sealed], _now: datetime) -> int:
        self.seqs += [each.seq for each in batch]
        return len(batch)


def test_a_reader_gets_every_entry_once_in_order(world: World) -> None:
    seen = Seen()
    for _ in range(7):
        happen(KIND)
    seal(now=SOON, everything=True)
    while follow(seen.reader, now=SOON, limit=3).entries:
        pass
    happen(KIND)
    seal(now=SOON)
    assert follow(seen.reader, now=SOON).entries == 1
    assert follow(seen.reader, now=SOON).entries == 0
    assert seen.seqs == list(range(1, Seal.objects.count() + 1))
    assert Cursor.objects.get(name="seen").seq == Seal.objects.count()


def test_what_is_not_sealed_is_not_read(world: World) -> None:
    seal(now=SOON, everything=True)
    seen = Seen()
    follow(seen.reader, now=SOON)
    before = len(seen.seqs)
    happen(KIND)
    assert follow(seen.reader, now=SOON).entries == 0
    assert len(seen.seqs) == before


def test_a_reader_does_not_read_over_a_hole(world: World) -> None:
    happen(KIND)
    seal(now=SOON, everything=True)
    Seal.objects.create(entry_id=uuid.uuid4(), seq=Seal.objects.count() + 1, prev_hash="", hash="", sealed_at=SOON)
    with pytest.raises(LookupError):
        follow(Seen().reader, now=SOON)


def test_effect_and_cursor_are_one(world: World) -> None:
    """What dies behind its effect and before its cursor has done neither."""

    def dying(batch: Sequence[Sealed], now: datetime) -> int:
        Cursor.objects.create(name="effect")
        raise Crash

    happen(KIND)
    seal(now=SOON, everything=True)
    with pytest.raises(Crash), transaction.atomic():
        follow(Reader("dying", take=dying), now=SOON)
    assert not Cursor.objects.exists()


def test_a_failing_reader_stays_where_it_is_and_goes_on(world: World) -> None:
    seen, broken = Seen(), [True]

    def before(batch: Sequence[Sealed]) -> None:
        if broken:
            raise ConnectionError

    reader = Reader("seen", take=seen._take, before=before)
    happen(KIND)
    seal(now=SOON, everything=True)
    with pytest.raises(ConnectionError):
        follow(reader, now=SOON)
    broken.clear()
    follow(reader, now=SOON)
    assert seen.seqs[0] == 1


def test_the_same_event_is_written_once_for_an_endpoint(world: World, sink: Sink) -> None:
    """A cursor that was put back, as by a restored backup, doubles nothing silently: the database refuses."""
    connect(world, sink)
    happen()
    read_on()
    assert Delivery.objects.count() == 1
    Cursor.objects.filter(name=FANOUT.name).update(seq=0)
    with pytest.raises(Exception, match=r"(?i)unique"), transaction.atomic():
        follow(FANOUT, now=SOON)
    assert Delivery.objects.count() == 1
