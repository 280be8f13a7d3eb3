"""What surrounds a request: its id, its caller, its line in the log."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from audit import context
from controlplane.middleware import RequestContext, TrustedProxies

Ask = Callable[..., tuple[HttpResponse, dict[str, str]]]


@pytest.fixture
def ask(rf: RequestFactory) -> Ask:
    def send(path: str = "/somewhere?token=hidden", **headers: str) -> tuple[HttpResponse, dict[str, str]]:
        seen: dict[str, str] = {}

        def view(request: HttpRequest) -> HttpResponse:
            around = context.surroundings()
            seen.update(
                request_id=around.request_id, address=around.address, scheme=request.scheme or "",
                logged=structlog.contextvars.get_contextvars().get("request_id", ""),
            )  # fmt: skip
            return HttpResponse()

        handler = TrustedProxies(RequestContext(view))
        return handler(rf.get(path, headers=headers, REMOTE_ADDR="10.1.1.1")), seen

    return send


def test_request_gets_an_id_that_everyone_sees(ask: Ask) -> None:
    response, seen = ask()
    assert seen["request_id"] == seen["logged"] == response["X-Request-ID"]
    assert len(seen["request_id"]) == 36
    assert context.surroundings().request_id == ""
    assert structlog.contextvars.get_contextvars() == {}


def test_request_id_of_the_caller_is_kept_if_it_is_one(ask: Ask) -> None:
    assert ask(**{"X-Request-ID": "trace-0001"})[0]["X-Request-ID"] == "trace-0001"
    for odd in ("short", "x" * 65, "with space", 'quote"d-id', "line\nbreak"):
        assert ask(**{"X-Request-ID": odd})[0]["X-Request-ID"] != odd


def test_log_line_holds_no_query(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    ask()
    # From the library's own side: a worker that was set up in this process has given structlog other processors.
    lines = [record.msg for record in caplog.records if record.name == "controlplane.requests"]
    assert [line["path"] for line in lines] == ["/somewhere"]
    assert "hidden" not in repr(lines)


def test_forwarded_headers_of_strangers_count_for_nothing(ask: Ask) -> None:
    _, seen = ask(**{"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})
    assert (seen["address"], seen["scheme"]) == ("10.1.1.1", "http")


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.2.2.2", "203.0.113.9"),
        ("203.0.113.9, nonsense", "10.1.1.1"),
        ("", "10.1.1.1"),
    ],
)
def test_trusted_proxy_names_the_nearest_caller(ask: Ask, settings: Settings, forwarded: str, address: str) -> None:
    settings.TRUSTED_PROXIES = (ipaddress.ip_network("10.0.0.0/8"),)
    _, seen = ask(**{"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"})
    assert (seen["address"], seen["scheme"]) == (address, "https")
