"""The lane as it is served, as a process: it holds many cheaply, ends politely, and costs nobody a decision."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from approvals.models import ApprovalRequest
from tests.approvals.steps import hold_mail, say
from tests.journeys.installation import Installation, build
from tests.lane.serving import Served, memory_kib, served_lane

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
HELD, EACH = 10, 30
needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory by /proc")


@pytest.fixture
def installation() -> Installation:
    return build()


async def _open(served: Served, key: str, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    place = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
    return reader, writer


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, object]]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return head, json.loads(await reader.readexactly(length))


def _polls(requests: list[ApprovalRequest]) -> list[str]:
    return [f"/api/v1/actions/{request.decision_id}?wait=60" for request in requests for _ in range(EACH)]


@needs_proc
def test_hundreds_wait_cheaply_and_all_are_answered_when_it_ends(installation: Installation) -> None:
    requests = [hold_mail(installation, f"mail-{number}") for number in range(HELD)]

    async def scenario(served: Served) -> None:
        # Every thread has answered before: what it keeps is no waiter's cost.
        for _ in range(20):
            reader, writer = await _open(served, installation.key, f"/api/v1/actions/{requests[0].decision_id}")
            await _answer(reader)
            writer.close()
        before = memory_kib(served.process.pid)
        waiting = [await _open(served, installation.key, path) for path in _polls(requests)]
        await asyncio.sleep(2)
        assert not any(reader.at_eof() for reader, _ in waiting)
        each = (memory_kib(served.process.pid) - before) / len(waiting)
        # The bar is 100 MB for a thousand.
        assert each <= 100, f"{each:.0f} KiB for each waiting request"

        # Somebody decides: thirty polls are answered, the others wait on.
        await asyncio.to_thread(say, requests[0], "talent-reviewer")
        decided = [await asyncio.wait_for(_answer(reader), 30) for reader, _ in waiting[:EACH]]
        assert {body["approval"]["state"] for _, body in decided} == {"approved"}  # type: ignore[index]

        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        rest = [await asyncio.wait_for(_answer(reader), 30) for reader, _ in waiting[EACH:]]
        assert {body["approval"]["state"] for _, body in rest} == {"pending"}  # type: ignore[index]
        assert all(b"retry-after: 5" in head.lower() for head, _ in rest)
        assert await asyncio.to_thread(served.process.wait, 30) == 0
        assert time.monotonic() - began < 20
        for _, writer in waiting:
            writer.close()

    with served_lane(CONTROLPLANE_LANE_WAITERS_EACH="1000") as served:
        asyncio.run(scenario(served))
