"""How many decide at a time, in which order, and who does not wait for them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest

from controlplane.turnstile import ARRIVED, Gate, Turnstile

CALLERS = 12
PLACES = 3
PATIENCE = 20


class Crowd:
    """An application that says how many were inside of it at the same time."""

    def __init__(self, expected: int) -> None:
        self.lock = threading.Lock()
        self.inside = self.most = 0
        # Everybody who gets in together waits for the others, for as long as a test may take.
        self.together = threading.Barrier(expected)

    def __call__(self, _environ: dict[str, Any], _start: Any) -> Iterable[bytes]:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.together.wait(timeout=PATIENCE)
        with self.lock:
            self.inside -= 1
        return [b""]


def echo(environ: dict[str, Any], _start: Any) -> Iterable[bytes]:
    """Answer with the body."""
    return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]


def _post(path: str = "/api/v1/actions", body: BytesIO | None = None, **more: str) -> dict[str, Any]:
    environ: dict[str, Any] = {"REQUEST_METHOD": "POST", "PATH_INFO": path, "CONTENT_LENGTH": "2"}
    return {**environ, "wsgi.input": body or BytesIO(b"{}"), **more}


def _turnstile(application: Any) -> Turnstile:
    return Turnstile(application, places=PLACES, most=1000)


def _crowd(application: Any, requests: list[dict[str, Any]]) -> None:
    with ThreadPoolExecutor(len(requests)) as threads:
        list(threads.map(lambda environ: application(environ, None), requests))


@pytest.mark.parametrize("path", ["/api/v1/actions", "/api/v1/actions/x/redeem", "/aap/v1/requests"])
def test_few_decide_at_a_time_and_all_get_their_turn(path: str) -> None:
    crowd = Crowd(PLACES)
    _crowd(_turnstile(crowd), [_post(path) for _ in range(CALLERS)])
    assert crowd.most == PLACES


def test_without_a_turnstile_all_would_decide_at_once() -> None:
    crowd = Crowd(CALLERS)
    _crowd(crowd, [_post() for _ in range(CALLERS)])
    assert crowd.most == CALLERS


@pytest.mark.parametrize(
    "request_",
    [
        {"REQUEST_METHOD": "GET"},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "0"},
        {"CONTENT_LENGTH": "1001"},
        {"CONTENT_LENGTH": "0000000011001"},
        {"CONTENT_LENGTH": "-2"},
        {"CONTENT_LENGTH": "²"},
        {"PATH_INFO": "/api/v1/runs"},
    ],
)
def test_what_is_not_to_be_decided_passes_beside(request_: dict[str, str]) -> None:
    crowd = Crowd(CALLERS)
    _crowd(_turnstile(crowd), [_post(**request_) for _ in range(CALLERS)])
    assert crowd.most == CALLERS


class Slow(BytesIO):
    """A body that is not sent before it is let."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.sent = threading.Event()

    def read(self, size: int | None = -1) -> bytes:
        assert self.sent.wait(timeout=PATIENCE)
        return super().read(size)


class Broken(BytesIO):
    """A body that breaks off."""

    def read(self, *_: Any) -> bytes:
        raise OSError("connection reset")


def test_a_slow_sender_keeps_nobody_waiting() -> None:
    turnstile = _turnstile(echo)
    bodies = [Slow(b"{}") for _ in range(PLACES)]
    with ThreadPoolExecutor(len(bodies)) as threads:
        slow = [threads.submit(turnstile, _post(body=body), None) for body in bodies]
        try:
            assert turnstile(_post(), None) == [b"{}"]
        finally:
            for body in bodies:
                body.sent.set()
        assert [one.result(timeout=PATIENCE) for one in slow] == [[b"{}"]] * len(bodies)


def test_a_body_that_breaks_off_is_empty_and_gives_its_turn_back() -> None:
    turnstile = _turnstile(echo)
    for _ in range(PLACES + 1):
        environ = _post(body=Broken())
        assert turnstile(environ, None) == [b""]
        # What takes no body must not take one that broke off for none.
        assert environ["CONTENT_LENGTH"] == "2"
    assert turnstile(_post(), None) == [b"{}"]


def test_a_failure_gives_its_turn_back() -> None:
    def fails(_environ: dict[str, Any], _start: Any) -> Iterable[bytes]:
        raise RuntimeError

    turnstile = _turnstile(fails)
    for _ in range(PLACES + 1):
        with pytest.raises(RuntimeError):
            turnstile(_post(), None)


def test_the_time_of_arrival_is_told() -> None:
    environ = _post()
    _turnstile(echo)(environ, None)
    assert environ[ARRIVED] > 0


def test_the_gate_is_passed_in_the_order_of_arrival() -> None:
    gate, passed = Gate(1), []
    threads = []

    def pass_by(number: int) -> None:
        with gate:
            passed.append(number)

    with gate:
        for number in range(CALLERS):
            thread = threading.Thread(target=pass_by, args=(number,))
            thread.start()
            threads.append(thread)
            # The next one comes when this one stands in line.
            while len(gate._waiting) <= number:
                pass
    for thread in threads:
        thread.join(PATIENCE)
    assert passed == list(range(CALLERS))
