"""From an ASGI request to the Django application and back: in a thread, because the application blocks."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from controlplane import parking
from controlplane.parking import Ticket

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Any]

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application answered.

    Attributes:
        status: HTTP status.
        headers: names in lower case, as they came.
        body: the whole of it.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def with_header(self, name: str, value: str) -> Answer:
        """Return the answer with one header set, unless it has it already."""
        if any(given == name.encode() for given, _ in self.headers):
            return self
        return Answer(self.status, (*self.headers, (name.encode(), value.encode())), self.body)

    async def send(self, send: Send) -> None:
        """Send it all."""
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": self.body})


class Bridge:
    """Asks the application, a few requests at a time; the others queue.

    Args:
        application: the Django application.
        threads: how many requests it answers at once; each keeps a database connection.
    """

    def __init__(self, application: Wsgi, *, threads: int) -> None:
        self.application = application
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="lane")

    async def ask(self, scope: Scope, ticket: Ticket) -> Answer:
        """Return the application's answer to a request without a body.

        Args:
            scope: the ASGI request.
            ticket: what the application may fill in.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, self._call, environ_of(scope, ticket))

    def close(self) -> None:
        """Let the threads end once they have answered."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def _call(self, environ: dict[str, Any]) -> Answer:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _failure: Any = None) -> None:
            started.append((status, headers))

        response = self.application(environ, start_response)
        try:
            body = b"".join(response)
        finally:
            # Tells Django that the request is over: it looks after the database connection then.
            if hasattr(response, "close"):
                response.close()
        status, headers = started[-1]
        kept = tuple(
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in headers
            if name.lower() not in _HOP_BY_HOP
        )
        return Answer(int(status[:3]), kept, body)


def environ_of(scope: Scope, ticket: Ticket) -> dict[str, Any]:
    """Return the WSGI environment (PEP 3333) of an ASGI request, without its body.

    Headers whose names hold an underscore are dropped: in the environment they could not be told from others.
    """
    server = scope.get("server") or ("localhost", 80)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "REMOTE_ADDR": (scope.get("client") or ("", 0))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        parking.ENVIRON_KEY: ticket,
    }
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").upper()
        # What comes in the body is nobody's here.
        if "_" in name or name in {"CONTENT-LENGTH", "CONTENT-TYPE", "TRANSFER-ENCODING"}:
            continue
        key, text = f"HTTP_{name.replace('-', '_')}", value.decode("latin-1")
        between = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{between}{text}" if key in environ else text
    return environ
