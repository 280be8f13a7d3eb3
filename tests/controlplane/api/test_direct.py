"""The short way for agents: what passes it, what does not, and how many decide at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from controlplane.api.direct import StraightToAgents, Turnstile
from tests.controlplane.api.callers import agent
from tests.controlplane.api.scene import FORM, Scene

CALLERS = 12


def test_what_agents_get_is_data_for_nobodys_browser(scene: Scene) -> None:
    answer = agent(scene.world.text).send("POST", "/actions", FORM, Idempotency_Key="short-way")
    assert answer.status_code == 200
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (answer["X-Frame-Options"], answer["Cache-Control"]) == ("DENY", "no-store")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert int(answer["Content-Length"]) == len(answer.content)
    assert not answer.cookies


@pytest.mark.parametrize(
    ("path", "straight"),
    [
        ("/api/v1/actions", True),
        ("/api/v1/self", True),
        ("/api/v1/runs", False),
        ("/api/v1/agents", False),
        ("/api/v1/nothing", False),
        ("/api/docs", False),
        ("/home/", False),
    ],
)
def test_only_views_for_keys_alone_are_called_straight(path: str, straight: bool, db: None) -> None:
    passed: list[str] = []

    def others(request: HttpRequest) -> HttpResponse:
        passed.append(request.path)
        return HttpResponse()

    StraightToAgents(others)(RequestFactory().get(path))
    assert passed == ([] if straight else [path])


class Crowd:
    """An answer that says how many were inside of it at the same time."""

    def __init__(self, expected: int) -> None:
        self.lock = threading.Lock()
        self.inside = self.most = 0
        # Everybody who gets in together waits for the others, for as long as a test may take.
        self.together = threading.Barrier(expected)

    def __call__(self, _request: HttpRequest) -> HttpResponse:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.together.wait(timeout=20)
        with self.lock:
            self.inside -= 1
        return HttpResponse()


def _post(path: str, **more: Any) -> HttpRequest:
    return RequestFactory().post(path, data=b"{}", content_type="application/json", **more)


def _crowd(turnstile: Any, requests: list[HttpRequest]) -> None:
    with ThreadPoolExecutor(len(requests)) as threads:
        list(threads.map(turnstile, requests))


def test_few_decide_at_a_time_and_all_get_their_turn() -> None:
    crowd = Crowd(settings.DECIDING_THREADS)
    _crowd(Turnstile(crowd), [_post("/api/v1/actions") for _ in range(CALLERS)])
    assert crowd.most == settings.DECIDING_THREADS


def test_without_a_turnstile_all_would_decide_at_once() -> None:
    crowd = Crowd(CALLERS)
    _crowd(crowd, [_post("/api/v1/actions") for _ in range(CALLERS)])
    assert crowd.most == CALLERS


def test_who_reads_or_sends_without_a_length_passes_beside() -> None:
    crowd = Crowd(CALLERS)
    reading = [RequestFactory().get("/api/v1/actions/x", {"wait": "5"}) for _ in range(CALLERS // 2)]
    unknown = [_post("/api/v1/actions", CONTENT_LENGTH="") for _ in range(CALLERS // 2)]
    _crowd(Turnstile(crowd), reading + unknown)
    assert crowd.most == CALLERS


class Slow(BytesIO):
    """A body that is not sent before it is let."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.sent = threading.Event()

    def read(self, size: int | None = -1) -> bytes:
        assert self.sent.wait(timeout=20)
        return super().read(size)


class Broken(BytesIO):
    """A body that breaks off."""

    def read(self, *_: Any) -> bytes:
        raise OSError("connection reset")


def test_a_slow_sender_keeps_nobody_waiting() -> None:
    answered = threading.Event()

    def answer(request: HttpRequest) -> HttpResponse:
        answered.set()
        return HttpResponse(request.body)

    turnstile = Turnstile(answer)
    bodies = [Slow(b"{}") for _ in range(settings.DECIDING_THREADS)]
    with ThreadPoolExecutor(len(bodies)) as threads:
        slow = [threads.submit(turnstile, _post("/api/v1/actions", **{"wsgi.input": body})) for body in bodies]
        try:
            assert turnstile(_post("/api/v1/actions")).content == b"{}"
            assert answered.is_set()
        finally:
            for body in bodies:
                body.sent.set()
        assert [one.result(timeout=20).content for one in slow] == [b"{}"] * len(bodies)


def test_a_body_that_breaks_off_is_a_problem_and_gives_its_turn_back() -> None:
    turnstile = Turnstile(lambda request: HttpResponse(request.body))
    for _ in range(settings.DECIDING_THREADS + 1):
        answer = turnstile(_post("/api/v1/actions", **{"wsgi.input": Broken()}))
        assert answer.status_code == 400
    assert turnstile(_post("/api/v1/actions")).status_code == 200
