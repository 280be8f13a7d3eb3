"""What the tests of costs share."""

from __future__ import annotations

import pytest

from tests.world import World, make_world


@pytest.fixture
def world(db: None) -> World:
    """Two teams, a person of every role, an agent with a key."""
    return make_world()


@pytest.fixture
def live_world(transactional_db: None) -> World:
    """The same with real transactions, for tests with several connections."""
    return make_world()
