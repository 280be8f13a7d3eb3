"""What the registry's tests share."""

from __future__ import annotations

import pytest

from tests.world import World, make_world


@pytest.fixture
def world(db: None) -> World:
    """Two teams, a person of every role, an agent with a key."""
    return make_world()
