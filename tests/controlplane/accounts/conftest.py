"""Fixtures of the accounts' tests: people with quick passwords, and ways in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client
from pytest_django import Settings

from audit.models import Entry
from controlplane.accounts import factors
from registry.models import User
from tests.world import PASSWORD, QuickHasher, make_person

LogIn = Callable[..., Any]


def code_of(secret: str, steps: int = 0) -> str:
    """Return the code that an app shows now, or some steps away from now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // factors.PERIOD + steps))


def log_in(client: Client, username: str, password: str = PASSWORD, **extra: Any) -> Any:
    """Send the log-in form."""
    return client.post("/login/", {"username": username, "password": password}, **extra)


def is_in(client: Client) -> bool:
    """Say whether a client's session is somebody's."""
    return client.get("/api/v1/agents").status_code != 401


def kinds(person: str) -> list[str]:
    """Return the kinds of what the trail says of a person, in order."""
    return list(
        Entry.objects.filter(object_type="person", object_id=person).order_by("id").values_list("kind", flat=True)
    )


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = [f"{QuickHasher.__module__}.{QuickHasher.__qualname__}"]


@pytest.fixture
def admin(db: None) -> User:
    return make_person("root", "admin")


@pytest.fixture
def person(db: None) -> User:
    return make_person("jane", "reviewer")
