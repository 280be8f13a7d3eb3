"""``python -m controlplane.lane``: serve the lane on its port until told to end."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal

from django.conf import settings
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

# First: it sets Django up, and what follows imports models.
from controlplane.wsgi import application

# isort: split
from controlplane.lane.application import Lane

PATIENCE_SECONDS = 5.0
# Connections beside those that wait: answers under way, clients that keep theirs open.
_BESIDE = 512


async def serve() -> None:
    """Serve until SIGTERM or SIGINT; whoever waits then is answered first."""
    environment = settings.ENVIRONMENT
    most = settings.LANE_WAITERS + _BESIDE
    allow_connections(2 * most)
    lane = Lane(application)
    server = Server(
        lane,
        address=environment.host,
        port=environment.lane_port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        # One request for each connection: what is beyond this waits in the kernel's queue.
        backlog=1024,
        backpressure=most,
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()
    ends = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ends.set)

    async def end() -> None:
        await ends.wait()
        await lane.stop(patience=PATIENCE_SECONDS)
        server.stop()  # type: ignore[no-untyped-call]  # granian does not say

    ending = asyncio.create_task(end())
    try:
        await server.serve()
    finally:
        ending.cancel()


def allow_connections(number: int) -> None:
    """Let this process hold that many connections, as far as the operator lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    asyncio.run(serve())
