"""A world for the protocol's tests, built once for each module; every test sees it fresh."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.delivery.sink import Sink, listening
from tests.protocols.aap.scene import Framework, framework, make_world
from tests.world import World, built_once


@pytest.fixture(scope="module")
def _world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with built_once(make_world, django_db_blocker) as made:
        yield made


@pytest.fixture
def world(_world: World, db: None) -> World:
    """A ruled world whose verbs stand for tools."""
    return copy.deepcopy(_world)


@pytest.fixture
def agent(world: World) -> Framework:
    """What calls for the agent."""
    return framework(world.text)


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    """A receiver on this machine, which the operator lists."""
    settings.CALLBACK_HOSTS = ("127.0.0.1",)
    with listening() as found:
        yield found
