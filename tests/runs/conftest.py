"""What most tests of runs need: one agent."""

from __future__ import annotations

import pytest

from registry.models import Agent
from tests.world import make_admin, make_agent, make_team


@pytest.fixture
def agent(db: None) -> Agent:
    admin = make_admin()
    team = make_team("talent", admin, by=admin)
    return make_agent("job-applier", owner=admin, team=team, by=admin)
