"""The tables of states."""

from __future__ import annotations

import pytest

from audit.actors import System
from audit.refusals import IllegalTransition
from audit.transitions import move
from registry import states
from registry.models import Agent, AgentKey, AgentVersion, Command, KillSwitch, Release
from registry.states import AgentState
from tests.world import NOW, World

TABLES = [
    (states.AGENT, states.AgentState, Agent),
    (states.VERSION, states.VersionState, AgentVersion),
    (states.RELEASE, states.ReleaseState, Release),
    (states.KEY, states.KeyState, AgentKey),
    (states.COMMAND, states.CommandState, Command),
    (states.KILL, states.KillState, KillSwitch),
]


@pytest.mark.parametrize(("table", "choices", "model"), TABLES)
def test_every_table_is_total(table: states.Table, choices: type[states.TextChoices], model: type) -> None:
    every = set(choices.values)
    assert set(table) == every
    assert all(targets <= every for targets in table.values())
    assert all(state not in targets for state, targets in table.items())
    assert model.TRANSITIONS is table


@pytest.mark.parametrize(("table", "choices", "model"), TABLES)
def test_every_state_can_be_reached(table: states.Table, choices: type[states.TextChoices], model: type) -> None:
    first = model._meta.get_field("state").default
    assert {first, *(state for targets in table.values() for state in targets)} == set(choices.values)


def test_retired_is_final(world: World) -> None:
    world.agent.state = AgentState.RETIRED
    for state in AgentState.values:
        with pytest.raises(IllegalTransition):
            move(world.agent, state, by=System("test"), now=NOW)
