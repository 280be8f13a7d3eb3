"""The broker's stream holds each event once and in order, over crashes and over a restored backup."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from django.db import transaction

from audit.models import Seal
from audit.operations import seal
from controlplane.delivery.models import Cursor
from controlplane.delivery.readers import Reader, follow
from controlplane.delivery.readers.stream import STREAM, stream
from controlplane.operating.heartbeats import broker
from controlplane.supervisor.plans import find_broker
from tests.delivery.steps import SOON, happen, read_on
from tests.setup.processes import eventually
from tests.world import World

KIND = "run.ingested"


def _listens(url: str) -> bool:
    try:
        with broker(url) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real broker, for the tests of this file."""
    socket = tmp_path_factory.mktemp("broker") / "s"
    server = subprocess.Popen(
        [find_broker(), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(socket.parent)],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        eventually(socket.exists)
        eventually(lambda: _listens(f"unix://{socket}"))
        yield f"unix://{socket}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def reader(address: str) -> Reader:
    with broker(address) as client:
        client.flushall()
    return stream(lambda: broker(address))


def held(address: str) -> list[tuple[int, int]]:
    """Return the ids in the stream: timelines and numbers."""
    with broker(address) as client:
        return [tuple(map(int, place.split(b"-"))) for place, _ in client.xrange(STREAM)]  # type: ignore[misc]


class Dying:
    """A client of a real broker whose connection ends before the fifth event of a pipeline."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def pipeline(self, **options: Any) -> Any:
        pipe = self.client.pipeline(**options)
        execute = pipe.execute

        def cut(**options: Any) -> list[Any]:
            del pipe.command_stack[4:]
            return [*execute(**options), ConnectionError("gone")]

        pipe.execute = cut
        return pipe


def test_the_stream_gets_each_event_once_though_the_broker_dies_in_between(
    world: World, reader: Reader, address: str
) -> None:
    @contextmanager
    def dying() -> Iterator[Dying]:
        with broker(address) as client:
            yield Dying(client)

    for number in range(10):
        happen(KIND, object_id=str(number))
    seal(now=SOON, everything=True)
    with pytest.raises(ConnectionError):
        follow(stream(dying), now=SOON)
    assert len(held(address)) == 4
    assert not Cursor.objects.filter(name="stream").exists()
    read_on(reader)
    assert held(address) == [(1, seq) for seq in range(1, Seal.objects.count() + 1)]


@pytest.mark.parametrize("read_before", [True, False], ids=["read", "unread"])
@pytest.mark.parametrize("limit", [2, 500])
def test_over_a_restored_backup_who_reads_on_misses_nothing(
    world: World, reader: Reader, address: str, limit: int, read_before: bool
) -> None:
    """What a savepoint's rollback does to the trail and the cursor is what a restore does to them."""
    for _ in range(3):
        happen(KIND)
    seal(now=SOON, everything=True)
    if read_before:
        read_on(reader)
    for restores in (1, 2):
        backup = transaction.savepoint()
        for _ in range(4):
            happen(KIND, object_id="lost with what the restore replaced")
        read_on(reader)
        last = held(address)[-1]
        assert last == (restores, Seal.objects.count())
        transaction.savepoint_rollback(backup)

        after = [str(happen(KIND, object_id="after the restore")) for _ in range(2)]
        seal(now=SOON, everything=True)
        while follow(reader, now=SOON, limit=limit).entries:
            pass

        with broker(address) as client:
            ((_, read),) = client.xread({STREAM: "{}-{}".format(*last)})
        assert [json.loads(fields[b"event"])["id"] for _, fields in read][-2:] == after
        assert held(address)[-1] == (restores + 1, Seal.objects.count())
