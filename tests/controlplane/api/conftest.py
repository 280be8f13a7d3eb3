"""What the API's tests share."""

from __future__ import annotations

import pytest

from audit import sql
from tests.controlplane.api.scene import Scene, make_ruled_world, make_scene
from tests.world import World, make_world


@pytest.fixture
def world(db: None) -> World:
    """Two teams, a person of every role, an agent with a key."""
    return make_world(now=sql.now())


@pytest.fixture
def ruled(db: None) -> World:
    """The same with a queue, a policy and a budget."""
    return make_ruled_world()


@pytest.fixture
def scene(db: None) -> Scene:
    """A world in which one of everything has happened."""
    return make_scene()
