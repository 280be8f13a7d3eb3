"""Long polls: asked of the application at once, parked while there is nothing, asked again at the end."""

from __future__ import annotations

import asyncio
import random

from controlplane.lane.bridge import Answer, Bridge, Receive, Scope, Send
from controlplane.lane.seats import Seats
from controlplane.lane.watching import Watcher
from controlplane.parking import Ticket

# When there is no place to wait in, or the lane stops: how long a client should wait before it asks again.
RETRY_SECONDS = 5
# The part of its time that a poll waits at least: those that came together shall not all be asked about together.
_LEAST = 0.9


class Polls:
    """Answers requests that may wait.

    Args:
        bridge: asks the application.
        watcher: wakes what waits.
        seats: how many may wait.
    """

    def __init__(self, bridge: Bridge, watcher: Watcher, seats: Seats) -> None:
        self.bridge = bridge
        self.watcher = watcher
        self.seats = seats
        self.stopping = asyncio.Event()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Whoever goes away meanwhile is forgotten at once."""
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            found = await self._settle(scope, gone)
            if found is not None:
                await found.send(send)
        finally:
            gone.cancel()

    async def _settle(self, scope: Scope, gone: asyncio.Future[None]) -> Answer | None:
        """Return the answer to send, or None when nobody is there to read it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        share = random.uniform(_LEAST, 1.0)  # noqa: S311  # it spreads load, it guards nothing
        while True:
            ticket = Ticket()
            answer = await self.bridge.ask(scope, ticket)
            left = began + share * ticket.seconds - loop.time()
            if ticket.topic is None or left <= 0:
                return answer
            with self.seats.take(ticket.caller) as seated:
                if self.stopping.is_set() or not seated:
                    return answer.with_header("retry-after", str(RETRY_SECONDS))
                with self.watcher.waits_for(ticket.topic) as changed:
                    await asyncio.wait({changed, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                return None
            if self.stopping.is_set():
                return answer.with_header("retry-after", str(RETRY_SECONDS))

    def stop(self) -> None:
        """Answer everybody who waits with what they would have heard at first."""
        self.stopping.set()
        self.watcher.wake_all()


async def disconnected(receive: Receive) -> None:
    """Return when the caller has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
