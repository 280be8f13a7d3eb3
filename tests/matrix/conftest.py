"""The world of the matrix, built once for each module."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from controlplane import health
from controlplane.operating import heartbeats
from tests.matrix.asking import Asker
from tests.matrix.places import build_places, close_account
from tests.world import built_once


@pytest.fixture(scope="module")
def _asker(django_db_setup: None, django_db_blocker: Any) -> Iterator[Asker]:
    def build() -> Asker:
        places = build_places()
        asker = Asker(places)
        # Only now: they were logged in when their account was closed.
        close_account(places)
        return asker

    with built_once(build, django_db_blocker) as made:
        yield made


@pytest.fixture
def asker(_asker: Asker, db: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Asker:
    """Who asks; each request is taken back, and what a test does to the objects too: the world stays as built."""
    # The people's passwords were hashed in one round; production's hasher would hash them anew when it checks one.
    settings.PASSWORD_HASHERS = ["tests.world.QuickHasher"]
    # The broker is the boundary: nobody waits for one here.
    monkeypatch.setattr(health, "PROBES", {"database": health.database_answers})
    alive = heartbeats.Watch(lambda: dict.fromkeys(heartbeats.PROCESSES, 0))
    monkeypatch.setattr(heartbeats, "_watch", alive)
    # Rows are taken back by the database, objects are not: one that an operation changed would lie to the next test.
    # The client and the cookies hold nothing of the sort, and a client's chain of middleware is dear.
    return copy.deepcopy(_asker, {id(kept): kept for kept in (_asker.client, _asker.cookies)})
