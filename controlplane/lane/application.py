"""The ASGI application of the lane: ``python -m controlplane.lane`` serves it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from concurrent.futures import ThreadPoolExecutor

import structlog
from django.conf import settings

from audit.context import within
from audit.ids import new_id
from audit.refusals import Missing, Refusal, Unavailable
from controlplane.api import problems
from controlplane.lane.bridge import Answer, Bridge, Receive, Scope, Send, Wsgi
from controlplane.lane.polls import Polls
from controlplane.lane.pushing import Pushing
from controlplane.lane.seats import Seats
from controlplane.lane.watching import Watcher
from controlplane.operating import heartbeats
from controlplane.protocols.aap import errors as aap

# Requests that the application answers here at once. Few: it shares the machine with the web process.
THREADS = 4
# What may wait, and whether this process lives; everything else is the web server's.
_SERVED = re.compile(r"/api/v1/(?:actions/[^/]+|commands)|/aap/v1/requests/[^/]+|/healthz")

logger = structlog.get_logger(__name__)


class Lane:
    """Everything that the lane's event loop holds.

    Args:
        application: the Django application.
        threads: how many requests it answers at once.
    """

    def __init__(self, application: Wsgi, *, threads: int = THREADS) -> None:
        self.bridge = Bridge(application, threads=threads)
        self.looking = ThreadPoolExecutor(1, thread_name_prefix="lane-look")
        self.telling = ThreadPoolExecutor(1, thread_name_prefix="lane-life")
        self.seats = Seats(total=settings.LANE_WAITERS, each=settings.LANE_WAITERS_EACH)
        self.watcher = Watcher(self.looking)
        self.polls = Polls(self.bridge, self.watcher, self.seats)
        self.pushing = Pushing(self.bridge, self.seats, self.looking, origin=settings.PUBLIC_URL)
        self.open = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's own beginning and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            self.open += 1
            self._idle.clear()
            try:
                await self._answer(scope, receive, send)
            finally:
                self.open -= 1
                if not self.open:
                    self._idle.set()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        pushes = scope["path"] == "/events"
        if scope["method"] != "GET" or not (pushes or _SERVED.fullmatch(scope["path"])):
            await _refused(scope, Missing()).send(send)
            return
        try:
            await (self.pushing if pushes else self.polls).answer(scope, receive, send)
        except Exception:
            # Whatever it is: whoever waits is told that nothing is known, which no client takes for leave to act, and
            # the server would close the connection without a word.
            logger.exception("the lane failed")
            await _refused(scope, Unavailable("Nothing is known now.")).send(send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._tasks = [
                    asyncio.create_task(work) for work in (self.watcher.run(), self.pushing.run(), self._show_life())
                ]
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self.close()
                return

    async def _show_life(self) -> None:
        """Leave a sign of life as often as beat does; a stalled event loop leaves none."""
        while True:
            await asyncio.get_running_loop().run_in_executor(self.telling, heartbeats.stamp, heartbeats.LANE)
            await asyncio.sleep(heartbeats.EVERY_SECONDS)

    async def stop(self, *, patience: float) -> None:
        """Answer everybody who waits; return when they have their answers, or patience is over.

        Args:
            patience: seconds.
        """
        self.polls.stop()
        self.pushing.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), patience)

    def close(self) -> None:
        """End the threads and the watchers."""
        for task in self._tasks:
            task.cancel()
        self.bridge.close()
        for pool in (self.looking, self.telling):
            pool.shutdown(wait=False, cancel_futures=True)


def _refused(scope: Scope, refusal: Refusal) -> Answer:
    """Return a refusal in the shape of the API whose address was asked."""
    path = scope["path"]
    with within(request_id=str(new_id())):
        response = aap.render(refusal) if path.startswith(aap.PREFIX) else problems.render(refusal, instance=path)
    headers = tuple((name.lower().encode(), value.encode()) for name, value in response.items())
    return Answer(response.status_code, headers, response.content).with_header("cache-control", "no-store")
