"""A world with an endpoint, and a receiver for it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.delivery.sink import Sink, listening
from tests.world import World, built_once, make_world


@pytest.fixture(scope="module")
def _world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with built_once(make_world, django_db_blocker) as made:
        yield made


@pytest.fixture
def world(_world: World, db: None) -> World:
    return copy.deepcopy(_world)


@pytest.fixture
def sink() -> Iterator[Sink]:
    with listening() as found:
        yield found
