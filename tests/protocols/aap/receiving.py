"""The published receiver behind a listener on this machine, and the sender that tells it."""

from __future__ import annotations

import asyncio
import threading

from agentapprovalprotocol import Receiver

from audit import sql
from controlplane import outgoing
from controlplane.delivery.sending import send_due
from controlplane.protocols.aap.events import READER
from tests.delivery.sink import Received, Sink
from tests.delivery.steps import read_on


def address(sink: Sink) -> str:
    """Return where it listens."""
    return f"http://127.0.0.1:{sink.port}/aap/events"


def answer_with(sink: Sink, receiver: Receiver) -> None:
    """Let the published receiver answer; what it wakes runs before it has answered."""
    # Its tasks belong to one event loop; here each call has a loop of its own, so one is answered after the other.
    alone = threading.Lock()

    def answer(got: Received) -> tuple[int, dict[str, str], bytes]:
        async def handled() -> tuple[int, bytes]:
            status, body = await receiver.handle(got.headers, got.body)
            await asyncio.gather(*receiver._tasks)
            return status, body

        with alone:
            status, body = asyncio.run(handled())
        return status, {}, body

    sink.answer = answer


def deliver() -> int:
    """Read on and send."""
    read_on(READER, now=sql.now())
    return send_due(guard=outgoing.guard(), clock=sql.now)
