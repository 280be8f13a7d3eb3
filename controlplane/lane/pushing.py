"""Server push: one reader of the trail for all open consoles, and each console's stream."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import structlog

from controlplane.lane import news
from controlplane.lane.bridge import Answer, Bridge, Receive, Scope, Send
from controlplane.lane.news import MOST_ENTRIES, News, NewsKind
from controlplane.lane.polls import RETRY_SECONDS, disconnected
from controlplane.lane.seats import Seats
from controlplane.parking import Ticket

EVERY_SECONDS = 1.0
# Who listens is asked of the application again this often; it also shows that the stream is alive.
CHECK_SECONDS = 10.0
# Ids of one kind that one event names; beyond it pages look for themselves.
MOST_IDS = 50
_LONGEST_PAUSE = 10.0

Value = TypeVar("Value")

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Pending:
    """What a stream has yet to send about one kind.

    Attributes:
        count: how many entries.
        ids: of the objects, each once.
        more: whether there were more than are named.
    """

    count: int = 0
    ids: dict[str, None] = field(default_factory=dict)
    more: bool = False

    def add(self, one: News) -> None:
        """Add an entry."""
        self.count += 1
        if not one.id:
            self.more = True
        elif len(self.ids) < MOST_IDS:
            self.ids[one.id] = None
        else:
            self.more = self.more or one.id not in self.ids

    def as_json(self) -> str:
        """Return the data of the event."""
        return json.dumps({"count": self.count, "ids": list(self.ids), "more": self.more}, separators=(",", ":"))


class Stream:
    """One open console.

    Args:
        person: primary key of whoever listens.
        seq: how far they know the trail.
    """

    def __init__(self, person: int, seq: int) -> None:
        self.person = person
        self.seq = seq
        self.pending: dict[NewsKind, Pending] = {}
        self.stirred = asyncio.Event()

    def add(self, found: Iterable[News], *, until: int) -> None:
        """Take what happened up to a place of the trail; what is known already is left out."""
        for one in found:
            if one.seq > self.seq:
                self.pending.setdefault(one.kind, Pending()).add(one)
        self.seq = max(self.seq, until)
        if self.pending:
            self.stirred.set()

    def miss(self, *, until: int) -> None:
        """Note that too much happened to be told one by one."""
        for kind in NewsKind:
            self.pending.setdefault(kind, Pending()).more = True
        self.seq = max(self.seq, until)
        self.stirred.set()

    def take(self) -> bytes:
        """Return the events that wait to be sent, and forget them. The last one carries the place in the trail."""
        pending, self.pending = self.pending, {}
        self.stirred.clear()
        blocks = [f"event: {kind}\ndata: {one.as_json()}\n" for kind, one in pending.items()]
        if blocks:
            blocks[-1] = f"id: {self.seq}\n{blocks[-1]}"
        return "".join(f"{block}\n" for block in blocks).encode()

    def beat(self) -> bytes:
        """Return a sign of life that carries the place in the trail."""
        return f"id: {self.seq}\nevent: beat\ndata: {{}}\n\n".encode()


class Pushing:
    """Answers ``/events``.

    Args:
        bridge: asks the application who listens.
        seats: how many may listen.
        pool: of one thread, which reads the trail.
        origin: the console's own; a page of any other is refused.
    """

    def __init__(self, bridge: Bridge, seats: Seats, pool: ThreadPoolExecutor, *, origin: str) -> None:
        self.bridge = bridge
        self.seats = seats
        self.pool = pool
        self.origin = origin
        self.every = EVERY_SECONDS
        self.check = CHECK_SECONDS
        self.streams: set[Stream] = set()
        self.stopping = asyncio.Event()
        self.seq = 0
        self._somebody = asyncio.Event()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream until whoever listens goes away, may no longer, or the lane stops."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        cors = self._cors(headers.get("origin", ""))
        ticket = Ticket()
        if cors is None or (await self.bridge.ask(scope, ticket)).status != HTTPStatus.NO_CONTENT or not ticket.person:
            await _empty(HTTPStatus.FORBIDDEN if cors is None else HTTPStatus.UNAUTHORIZED, cors or ()).send(send)
            return
        with self.seats.take(ticket.caller) as seated:
            if not seated or self.stopping.is_set():
                refused = _empty(HTTPStatus.SERVICE_UNAVAILABLE, cors)
                await refused.with_header("retry-after", str(RETRY_SECONDS)).send(send)
                return
            await self._serve(scope, receive, send, cors, await self._join(ticket.person, _after(scope, headers)))

    def _cors(self, origin: str) -> tuple[tuple[bytes, bytes], ...] | None:
        """Return the headers that let the console's own pages read; None refuses another page."""
        if not origin:
            return ()
        if origin != self.origin:
            return None
        return (
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-credentials", b"true"),
            (b"vary", b"origin"),
        )

    async def _join(self, person: int, after: int | None) -> Stream:
        """Return a stream that goes on where its reader was, or begins now."""
        if not self.streams:
            # Nobody listened, so nobody read the trail.
            self.seq = max(self.seq, await self._in_thread(news.newest))
        stream = Stream(person, self.seq)
        if after is not None and after != stream.seq:
            if 0 <= stream.seq - after <= MOST_ENTRIES:
                stream.seq, until = after, stream.seq
                missed = await self._in_thread(lambda: news.visible(person, news.between(after, until)))
                stream.add(missed, until=until)
            else:
                stream.miss(until=stream.seq)
        return stream

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, cors: tuple[tuple[bytes, bytes], ...], stream: Stream
    ) -> None:
        gone = asyncio.ensure_future(disconnected(receive))
        self.streams.add(stream)
        self._somebody.set()
        if stream.seq < self.seq:
            stream.miss(until=self.seq)
        try:
            start = (
                (b"content-type", b"text/event-stream"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),
            )
            await send({"type": "http.response.start", "status": 200, "headers": [*start, *cors]})
            await _part(send, stream.beat())
            await self._tell(scope, send, stream, gone)
            if not gone.done():
                await _part(send, b"event: end\ndata: {}\n\n")
                await send({"type": "http.response.body", "body": b""})
        finally:
            self.streams.discard(stream)
            gone.cancel()

    async def _tell(self, scope: Scope, send: Send, stream: Stream, gone: asyncio.Future[None]) -> None:
        """Send what comes until somebody ends it: the reader, the lane, or the application, which is asked anew."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self.check
        while not (gone.done() or self.stopping.is_set()):
            stirred = asyncio.ensure_future(stream.stirred.wait())
            either: set[asyncio.Future[Any]] = {stirred, gone}
            await asyncio.wait(either, timeout=max(0.0, due - loop.time()), return_when=asyncio.FIRST_COMPLETED)
            stirred.cancel()
            if gone.done() or self.stopping.is_set():
                return
            if stream.pending:
                await _part(send, stream.take())
            if loop.time() >= due:
                ticket = Ticket()
                await self.bridge.ask(scope, ticket)
                if ticket.person != stream.person:
                    return
                await _part(send, stream.beat())
                due = loop.time() + self.check

    async def run(self) -> None:
        """Read the trail while somebody listens, until cancelled."""
        pause = self.every
        while True:
            if not self.streams:
                self._somebody.clear()
                await self._somebody.wait()
            await asyncio.sleep(pause)
            try:
                await self._read()
            except Exception as error:  # noqa: BLE001  # whatever the driver raises: pages fall back to asking
                if pause == self.every:
                    logger.warning("the lane cannot read the trail", error=repr(error))
                pause = min(_LONGEST_PAUSE, pause * 2)
                continue
            pause = self.every

    async def _read(self) -> None:
        until = await self._in_thread(news.newest)
        after = self.seq
        if until <= after:
            return
        if until - after > MOST_ENTRIES:
            for stream in self.streams:
                stream.miss(until=until)
            self.seq = until
            return
        found = await self._in_thread(lambda: news.between(after, until))
        listening: dict[int, list[Stream]] = defaultdict(list)
        for stream in self.streams:
            listening[stream.person].append(stream)
        for person, streams in listening.items():
            seen = await self._visible(person, found)
            for stream in streams:
                stream.add(seen, until=until)
        self.seq = until
        # Who came while this was read heard nothing of it.
        for stream in self.streams:
            if stream.seq < until:
                stream.miss(until=until)

    async def _visible(self, person: int, found: Sequence[News]) -> list[News]:
        return await self._in_thread(lambda: news.visible(person, found)) if found else []

    async def _in_thread(self, call: Callable[[], Value]) -> Value:
        return await asyncio.get_running_loop().run_in_executor(self.pool, call)

    def stop(self) -> None:
        """End every stream; consoles come back to the next lane."""
        self.stopping.set()
        for stream in self.streams:
            stream.stirred.set()


async def _part(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _empty(status: HTTPStatus, headers: tuple[tuple[bytes, bytes], ...]) -> Answer:
    return Answer(status.value, (*headers, (b"cache-control", b"no-store")), b"")


def _after(scope: Scope, headers: dict[str, str]) -> int | None:
    """Return where the reader was: the browser's own header, or ``?after=`` of a stream opened anew."""
    given = headers.get("last-event-id", "")
    for name, _, value in (part.partition("=") for part in scope.get("query_string", b"").decode("latin-1").split("&")):
        given = given or (value if name == "after" else "")
    with contextlib.suppress(ValueError):
        return int(given) if len(given) < 19 and given.isascii() and given.isdigit() else None
    return None
