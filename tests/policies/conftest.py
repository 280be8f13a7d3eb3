"""A world with policies in force, built once for a module; each test has a copy."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from tests.controlplane.api.scene import make_ruled_world
from tests.world import World, built_once


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with built_once(make_ruled_world, django_db_blocker) as world:
        yield world


@pytest.fixture
def world(built: World, db: None) -> World:
    return deepcopy(built)
