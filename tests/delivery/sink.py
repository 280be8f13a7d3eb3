"""A receiver on loopback that counts connections and keeps what it got, and names that lead where a test says."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from controlplane.outgoing import Guard

NAME = "sink.test"


@dataclass(slots=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Sink:
    """The receiver.

    Attributes:
        port: where it listens.
        received: requests, in order.
        connections: how many were accepted, whatever came of them.
        answer: status, headers, body; asked for each request.
    """

    port: int = 0
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    answer: Callable[[Received], tuple[int, Mapping[str, str], bytes]] = lambda _: (204, {}, b"")

    @property
    def url(self) -> str:
        """Its address by the listed name."""
        return f"http://{NAME}:{self.port}/hook"

    def says(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Let it answer so from now on."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = lambda _: (status, named, body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        super().__init__(("127.0.0.1", 0), _Handler)
        sink.port = self.server_port

    def process_request(self, request: Any, client_address: Any) -> None:
        self.sink.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell what a test's own answer raised; callers that hang up are part of the tests."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        sink: Sink = self.server.sink  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        received = Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        sink.received.append(received)
        status, headers, text = sink.answer(received)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def listening() -> Iterator[Sink]:
    """Run a receiver for the block."""
    sink = Sink()
    server = _Server(sink)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Names:
    """A resolver that answers as it is told, and counts how often it was asked.

    Args:
        known: addresses by host; a list of lists is answered in turn, the last for ever.
    """

    def __init__(self, **known: list[str] | list[list[str]]) -> None:
        self.known: dict[str, list[Any]] = {NAME: ["127.0.0.1"], **known}
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        found = self.known.get(host)
        if found is None:
            raise OSError("no such host")
        if found and isinstance(found[0], list):
            turn: list[str] = found.pop(0) if len(found) > 1 else found[0]
            return turn
        return found


def guarded(names: Names | None = None, **options: Any) -> Guard:
    """Return a guard that admits the sink's name as an internal host, and resolves by a table."""
    return Guard(frozenset({NAME}), resolve=names or Names(), **options)
