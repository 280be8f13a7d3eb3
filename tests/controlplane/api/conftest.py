"""Worlds for the API's tests. Each module builds one once; every test sees it fresh."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from audit import sql
from tests.controlplane.api.scene import Scene, make_ruled_world, make_scene
from tests.world import World, make_world


@contextlib.contextmanager
def _built(make: Callable[[], Any], blocker: Any) -> Iterator[Any]:
    """Build a world in a transaction that stays open below those of the tests, and is rolled back at the end."""
    with contextlib.ExitStack() as stack:
        with blocker.unblock():
            stack.enter_context(transaction.atomic())
            made = make()
        yield made
        with blocker.unblock():
            transaction.set_rollback(True)
            stack.close()


@pytest.fixture(scope="module")
def _world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with _built(lambda: make_world(now=sql.now()), django_db_blocker) as made:
        yield made


@pytest.fixture(scope="module")
def _ruled(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with _built(make_ruled_world, django_db_blocker) as made:
        yield made


@pytest.fixture(scope="module")
def _scene(django_db_setup: None, django_db_blocker: Any) -> Iterator[Scene]:
    with _built(make_scene, django_db_blocker) as made:
        yield made


# A module uses one of these: they would meet in one database. The copies keep what a test
# changes of an instance from the next test.


@pytest.fixture
def world(_world: World, db: None) -> World:
    """Two teams, a person of every role, an agent with a key."""
    return copy.deepcopy(_world)


@pytest.fixture
def ruled(_ruled: World, db: None) -> World:
    """The same with a queue, a policy and a budget."""
    return copy.deepcopy(_ruled)


@pytest.fixture
def scene(_scene: Scene, db: None) -> Scene:
    """A world in which one of everything has happened."""
    return copy.deepcopy(_scene)
