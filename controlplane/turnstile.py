"""Who decides next: few threads of this process do so at a time, and the others wait in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, Final

# When the request came, by the monotonic clock: what measures it must not leave out the time that it waited here.
ARRIVED: Final = "controlplane.arrived"
_DECIDES: Final = ("/api/v1/actions", "/aap/v1/requests")

_DIGITS: Final = 9

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Gate:
    """A semaphore that is passed in the order of arrival; the library's own lets late ones by.

    Args:
        places: how many may be inside at once.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Wait for a place."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(self, *_error: object) -> None:
        """Hand the place on to who has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


class Turnstile:
    """A WSGI application before another one, that lets few requests for decisions in at a time.

    A decision is a row of short statements, and Python gives the interpreter away at each of them. With many
    threads at work it comes back late, while locks are held. So the others wait without it, and outside of all
    else: what they would do before they wait is taken from those who decide.

    Calls that only read, or wait for people, pass beside it, and so does a body of unknown length. A body is
    read before its turn: nobody waits here for a slow sender.

    Args:
        application: what answers.
        places: how many decide at a time.
        most: bytes of the longest body that can be decided upon; longer ones are refused, and need no turn.
    """

    def __init__(self, application: Application, *, places: int, most: int) -> None:
        self.application = application
        self.most = most
        self.gate = Gate(places)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer the request, in turn if it is to be decided."""
        if environ["REQUEST_METHOD"] != "POST" or not environ["PATH_INFO"].startswith(_DECIDES):
            return self.application(environ, start_response)
        length = self._length(environ.get("CONTENT_LENGTH") or "")
        if not length:
            return self.application(environ, start_response)
        environ[ARRIVED] = time.perf_counter()
        try:
            body = environ["wsgi.input"].read(length)
        except OSError:
            # The sender is gone. An empty body is refused as any other that is not JSON.
            body = b""
        # The length stays what was said: one of 0 would be a call without a body, and some calls take none.
        environ["wsgi.input"] = BytesIO(body)
        with self.gate:
            return self.application(environ, start_response)

    def _length(self, said: str) -> int:
        """Return how long a body is, 0 for one that needs no turn."""
        # Longer numbers are none that count, whatever zeros they begin with.
        length = int(said) if said.isascii() and said.isdigit() and len(said) <= _DIGITS else 0
        return length if length <= self.most else 0
