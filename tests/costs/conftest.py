"""What the tests of costs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from costs import budgets
from tests.world import World, make_world


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Drop the budgets that this process holds: tests roll back, and revisions come again with other budgets."""
    budgets.forget()
    yield
    budgets.forget()


@pytest.fixture
def world(db: None) -> World:
    """Two teams, a person of every role, an agent with a key."""
    return make_world()


@pytest.fixture
def live_world(transactional_db: None) -> World:
    """The same with real transactions, for tests with several connections."""
    return make_world()
