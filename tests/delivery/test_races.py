"""Readers and senders at the same moment, with real connections: each effect comes once, and naive twins are caught."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from audit.models import Seal
from audit.operations import seal
from audit.refusals import Stale
from controlplane.delivery.models import Cursor, Delivery, Endpoint
from controlplane.delivery.operations import claim
from controlplane.delivery.readers import follow
from controlplane.delivery.readers.fanout import FANOUT
from controlplane.delivery.states import DeliveryState
from tests.delivery.sink import Sink
from tests.delivery.steps import SOON, connect, happen, send
from tests.together import at_once, raised
from tests.world import make_world

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
KIND = "run.ingested"


@pytest.fixture
def trail(transactional_db: None, sink: Sink) -> Endpoint:
    """An endpoint and forty sealed events for it, committed."""
    made = make_world()
    issued = connect(made, sink, kinds=[KIND])
    for _ in range(40):
        happen(KIND)
    seal(now=SOON, everything=True)
    return issued.endpoint


def _to_the_end() -> None:
    """Read on until nothing is left; losing to another reader is part of it."""
    for _ in range(100):
        try:
            if not follow(FANOUT, now=SOON, limit=7).entries:
                return
        except Stale:
            continue
    raise AssertionError("the reader does not come forward")


def test_readers_at_once_write_each_delivery_once(trail: Endpoint) -> None:
    assert raised(at_once(*[_to_the_end] * 4)) == []
    assert Delivery.objects.filter(endpoint=trail).count() == 40
    assert Cursor.objects.get(name=FANOUT.name).seq == Seal.objects.count()


def test_a_naive_reader_is_caught(trail: Endpoint) -> None:
    """The twin: reads its place, acts, then writes its place, without a guard. Its effect comes twice."""
    seen: list[int] = []
    barrier = threading.Barrier(2, timeout=10)

    def naive() -> None:
        cursor, _ = Cursor.objects.get_or_create(name="naive")
        batch = list(Seal.objects.filter(seq__gt=cursor.seq).order_by("seq").values_list("seq", flat=True)[:7])
        barrier.wait()
        seen.extend(batch)
        Cursor.objects.filter(name="naive").update(seq=batch[-1])

    assert raised(at_once(naive, naive)) == []
    assert len(seen) != len(set(seen))


def test_senders_at_once_send_each_delivery_once(trail: Endpoint, sink: Sink) -> None:
    _to_the_end()
    assert raised(at_once(*[send] * 3)) == []
    assert len(sink.received) == 40
    assert len({got.headers["webhook-id"] for got in sink.received}) == 40
    assert Delivery.objects.filter(state=DeliveryState.DELIVERED).count() == 40


def test_a_naive_sender_is_caught(trail: Endpoint) -> None:
    """The twin: takes what is due without a claim. Two of them take the same."""
    _to_the_end()
    barrier = threading.Barrier(2, timeout=10)

    def naive() -> list[object]:
        found = list(Delivery.objects.due(SOON).values_list("pk", flat=True)[:10])
        barrier.wait()
        return found

    one, other = at_once(naive, naive)
    assert set(one) & set(other)

    def guarded_claim() -> list[object]:
        barrier.wait()
        return [job.delivery_id for job in claim(now=SOON, most=10, each=10, busy={})]

    one, other = at_once(guarded_claim, guarded_claim)
    assert not set(one) & set(other)


def test_what_a_killed_sender_held_is_sent_by_the_next(trail: Endpoint, sink: Sink) -> None:
    _to_the_end()
    held = claim(now=SOON, most=5, each=5, busy={})
    assert len(held) == 5
    assert send() == 35
    assert send(SOON + timedelta(seconds=61)) == 5
    assert len({got.headers["webhook-id"] for got in sink.received}) == 40
