"""What the tests of costs share."""

from __future__ import annotations

import pytest

from tests.costs.spending import Small
from tests.world import World, make_admin, make_agent, make_team, make_world


@pytest.fixture
def small(db: None) -> Small:
    """The agent `job-applier` of the team `talent`."""
    admin = make_admin()
    team = make_team("talent", admin, by=admin)
    return Small(admin, admin, team, make_agent("job-applier", owner=admin, team=team, by=admin))


@pytest.fixture
def world(db: None) -> World:
    """Two teams, a person of every role, an agent with a key."""
    return make_world()


@pytest.fixture
def live_world(transactional_db: None) -> World:
    """The same with real transactions, for tests with several connections."""
    return make_world()
