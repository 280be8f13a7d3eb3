"""The short way for agents: what passes it, and what does not."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from controlplane.api.direct import StraightToAgents
from tests.controlplane.api.callers import agent
from tests.controlplane.api.scene import FORM, Scene


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
