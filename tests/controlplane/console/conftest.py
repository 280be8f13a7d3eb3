"""Fixtures of the console's tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from registry.models import User
from tests.controlplane.console.scene import Scene, make_scene

Visit = Callable[[User], Client]


@pytest.fixture
def scene(db: None) -> Scene:
    return make_scene()


@pytest.fixture
def visit() -> Visit:
    """Return a client that is logged in as a person."""

    def log_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return log_in
