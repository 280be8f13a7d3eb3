"""How a person sends what an occasion was made for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from django.test import Client

from registry.models import User
from tests.matrix.asking import Asker
from tests.world import PASSWORD

Send = Callable[[], Any]
Occasion = Callable[[Asker], Send]


def enter(user: User) -> Client:
    """Return a client with somebody's session."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def enter_by_password(user: User) -> Client:
    """Log in by the form: what changes how somebody logs in wants a fresh proof."""
    client = Client()
    assert client.post("/login/", {"username": user.username, "password": PASSWORD}).status_code == 302
    return client


def posts(user: User, address: str, body: dict[str, Any]) -> Send:
    """Send a form of the console."""
    client = enter(user)
    return lambda: client.post(address, body)


def calls(user: User, method: str, address: str, body: dict[str, Any] | None = None) -> Send:
    """Call the API."""
    client = enter(user)
    return lambda: client.generic(method, f"/api/v1{address}", _json(body), content_type="application/json")


def _json(body: dict[str, Any] | None) -> bytes:
    return b"" if body is None else msgspec.json.encode(body)
