"""A lane in this process, without a server: its event loop runs in a thread, tests call it and look inside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

from controlplane.lane.application import Lane
from controlplane.wsgi import application

PATIENCE = 20.0


class Call:
    """One request to the lane.

    Args:
        driven: whose loop it runs in.
        path: with its query.
        headers: names and values.
        method: HTTP method.
    """

    def __init__(self, driven: Driven, path: str, headers: dict[str, str], method: str) -> None:
        self.driven = driven
        self.path, _, self.query = path.partition("?")
        self.headers = headers
        self.method = method
        self.status = 0
        self.answered: dict[str, str] = {}
        self.body = b""
        self._arrived = threading.Condition()
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self.running = asyncio.run_coroutine_threadsafe(self._run(), driven.loop)

    @property
    def json(self) -> Any:
        """The whole answer's body, once it is there."""
        self.running.result(PATIENCE)
        return json.loads(self.body)

    @property
    def waits(self) -> bool:
        """Whether nothing has been answered yet."""
        return not self.running.done() and not self.status

    def leave(self) -> None:
        """Go away."""
        self.driven.loop.call_soon_threadsafe(self._incoming.put_nowait, {"type": "http.disconnect"})

    def read_until(self, words: bytes, *, seconds: float = PATIENCE) -> bytes:
        """Return what was sent once it holds these words."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: words in self.body, seconds), self.body
            return self.body

    async def _run(self) -> None:
        scope = {
            "type": "http", "method": self.method, "path": self.path, "query_string": self.query.encode(),
            "scheme": "http", "http_version": "1.1", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8001),
            "headers": [(name.lower().encode(), value.encode()) for name, value in self.headers.items()],
        }  # fmt: skip
        await self.driven.lane(scope, self._incoming.get, self._take)

    async def _take(self, message: Any) -> None:
        with self._arrived:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.answered = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                self.body += message.get("body", b"")
            self._arrived.notify_all()


class Driven:
    """The lane and its loop.

    Args:
        lane: made by the caller, so that limits can be set before.
    """

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._told: asyncio.Queue[Any] = asyncio.Queue()
        self._thread.start()
        self._life = asyncio.run_coroutine_threadsafe(
            lane({"type": "lifespan"}, self._events.get, self._told.put), self.loop
        )
        self._tell("lifespan.startup")

    def get(self, path: str, *, method: str = "GET", **headers: str) -> Call:
        """Send a request."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Call(self, path, {"host": "127.0.0.1", **named}, method)

    def stop(self) -> None:
        """Stop as SIGTERM does."""
        asyncio.run_coroutine_threadsafe(self.lane.stop(patience=PATIENCE), self.loop).result(PATIENCE)

    def close(self) -> None:
        """End the lane, its threads and its loop."""
        self.stop()
        self._tell("lifespan.shutdown")
        self._life.result(PATIENCE)
        for pool in (self.lane.bridge.pool, self.lane.looking, self.lane.telling):
            pool.shutdown(wait=True)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()

    def _tell(self, kind: str) -> None:
        async def told() -> Any:
            await self._events.put({"type": kind})
            return await self._told.get()

        answer = asyncio.run_coroutine_threadsafe(told(), self.loop).result(PATIENCE)
        assert answer["type"] == f"{kind}.complete"


@contextlib.contextmanager
def driven_lane() -> Iterator[Driven]:
    """Run a lane while the block runs; it looks more often than production's, as tests are impatient."""
    lane = Lane(application)
    lane.watcher.every = lane.pushing.every = 0.05
    driven = Driven(lane)
    try:
        yield driven
    finally:
        driven.close()
