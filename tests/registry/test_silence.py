"""Agents that have gone quiet."""

from __future__ import annotations

from datetime import timedelta

from registry import operations, tasks
from registry.authentication import authenticate
from tests.registry.trail import details, kinds
from tests.world import NOW, World


def check(days: float) -> int:
    return operations.note_quiet_agents(now=NOW + timedelta(days=days))


def noted() -> list[str]:
    return [kind for kind in kinds() if kind in {"agent.silent", "agent.dormant"}]


def test_silence_and_dormancy_are_noted_once(world: World) -> None:
    assert [check(days) for days in (0, 6.9, 7, 8, 29, 30, 31, 90)] == [0, 0, 1, 0, 0, 1, 0, 0]
    assert noted() == ["agent.silent", "agent.dormant"]
    assert details("agent.silent") == {"since": NOW.isoformat()}


def test_a_call_starts_the_time_anew(world: World) -> None:
    check(7)
    assert authenticate(world.text, now=NOW + timedelta(days=8)) is not None
    assert [check(days) for days in (9, 14.9, 15, 37, 38)] == [0, 0, 1, 0, 1]
    assert noted() == ["agent.silent", "agent.silent", "agent.dormant"]


def test_a_paused_agent_can_be_dormant_and_a_retired_one_not(world: World) -> None:
    operations.pause_agent(agent=world.agent, reason="", by=world.owner, now=NOW)
    assert check(7) == 1
    operations.retire_agent(agent=world.agent, reason="", by=world.operator, now=NOW)
    assert check(30) == 0


def test_the_task_asks_the_clock(world: World) -> None:
    assert tasks.dormant_check(new_argument_of_a_later_version=1) in {0, 1}
