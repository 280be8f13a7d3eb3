"""Callers of the API for tests: agents with keys, people with sessions, nobody."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from django.test import Client

from registry.models import User

# The CSRF middleware compares the cookie with the header; any well-formed secret will do.
TOKEN = "t" * 32
_numbers = count()

# Path of the list, and the field of a row that names it in the path of its own.
LISTS = {
    "agents": "slug", "keys": "public_id", "versions": "id", "releases": "id", "policies": "number",
    "decisions": "id", "approvals": "id", "runs": "id", "failures": "id", "usage": "id", "budgets": "slug",
    "audit": "id", "agents/job-applier/commands": "id",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls.

    Attributes:
        client: Django's client; it raises nothing that the server would have answered.
        headers: sent with every call.
    """

    client: Client
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Any:
        """GET below ``/api/v1``, or any whole path."""
        return self.send("GET", path, **headers)

    def send(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str) -> Any:
        """Call.

        Args:
            method: of HTTP.
            path: below ``/api/v1``, or whole.
            body: sent as JSON unless None.
            raw: sent as it is.
            headers: with underscores for hyphens; ``Content_Type`` replaces JSON's.
        """
        given = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        address = path if path.startswith("/api") else f"/api/v1{path}"
        return self.client.generic(
            method, address, data, content_type=given["Content-Type"], headers={**self.headers, **given}
        )


def agent(text: str) -> Caller:
    """Return an agent that presents a key."""
    return Caller(_client(), {"Authorization": f"Bearer {text}"})


def person(user: User) -> Caller:
    """Return a person with a session, whose browser sends the CSRF token along."""
    client = _client()
    client.force_login(user)
    client.cookies["csrftoken"] = TOKEN
    return Caller(client, {"X-CSRFToken": TOKEN})


def nobody() -> Caller:
    """Return a caller without key and session."""
    return Caller(_client())


def problem(answer: Any, status: int, code: str | None = None) -> dict[str, Any]:
    """Return the problem document of an answer; fail unless it is a whole one."""
    assert answer.status_code == status, (answer.status_code, answer.content[:500])
    assert answer["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = json.loads(answer.content)
    assert set(found) >= {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}
    assert (found["status"], found["instance"]) == (status, answer.wsgi_request.path)
    assert found["request_id"]
    assert answer["X-Request-ID"] == found["request_id"]
    if code is not None:
        assert found["code"] == code, found
    return found


def pointers(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return pointer and code of each defect of a problem document."""
    return [(each["pointer"], each["code"]) for each in found["errors"]]


def rows(answer: Any) -> list[dict[str, Any]]:
    """Return the rows of a page."""
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def every_page(caller: Any, path: str) -> list[dict[str, Any]]:
    """Follow a list to its end."""
    found: list[dict[str, Any]] = []
    following: str | None = path
    while following:
        answer = caller.get(following)
        found += rows(answer)
        following = answer.json()["next"]
    return found


def _client() -> Client:
    # An address each: whoever is refused often is slowed down by address.
    address = f"198.18.{next(_numbers) // 250 % 250}.{next(_numbers) % 250}"
    return Client(enforce_csrf_checks=True, raise_request_exception=False, REMOTE_ADDR=address)
