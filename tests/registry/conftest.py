"""What the registry's tests share."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.world import World, built_once, make_world


@pytest.fixture(scope="module")
def _world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with built_once(make_world, django_db_blocker) as made:
        yield made


@pytest.fixture
def world(_world: World, db: None) -> World:
    """Two teams, a person of every role, an agent with a key."""
    return copy.deepcopy(_world)


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Hash with one round; the form is production's."""
    settings.PASSWORD_HASHERS = ["tests.world.QuickHasher"]
