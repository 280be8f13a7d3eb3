"""Kill switches, and containing one agent."""

from __future__ import annotations

import pytest

from audit.refusals import Conflict, IllegalTransition, Invalid
from registry import operations
from registry.authentication import authenticate
from registry.models import Agent, Command, KillSwitch
from tests.registry.trail import details, kinds, last
from tests.world import NOW, World, make_agent, make_key


def kill(world: World, scope: str, value: str = "") -> KillSwitch:
    return operations.kill(scope=scope, value=value, reason="smoke", by=world.admin, now=NOW)


@pytest.mark.parametrize(("scope", "value", "stopped"), [
    ("agent", "job-applier", {"job-applier"}),
    ("team", "talent", {"job-applier"}),
    ("tag", "hr", {"job-applier"}),
    ("tag", "money", {"biller"}),
    ("all", "", {"job-applier", "biller"}),
])  # fmt: skip
def test_a_switch_stops_its_scope_until_it_is_lifted(world: World, scope: str, value: str, stopped: set[str]) -> None:
    make_agent("biller", owner=world.stranger, team=world.other, by=world.admin, tags=["money"])

    def found() -> set[str]:
        agents = Agent.objects.select_related("team")
        return {agent.slug for agent in agents if KillSwitch.objects.stopping(agent).exists()}

    switch = kill(world, scope, value)
    assert found() == stopped
    operations.lift(switch=switch, by=world.admin, now=NOW, reason="over")
    assert found() == set()
    assert kinds()[-2:] == ["kill_switch.thrown", "kill_switch.lifted"]
    assert details("kill_switch.lifted")["reason"] == "over"
    assert KillSwitch.objects.get().lifted_at == NOW


def test_the_trail_of_the_team_shows_it(world: World) -> None:
    kill(world, "agent", "job-applier")
    entry = last("kill_switch.thrown")
    assert (entry.team, entry.agent) == ("talent", "job-applier")


def test_one_switch_per_scope(world: World) -> None:
    switch = kill(world, "team", "talent")
    with pytest.raises(Conflict):
        kill(world, "team", "talent")
    kill(world, "team", "billing")
    operations.lift(switch=switch, by=world.operator, now=NOW)
    with pytest.raises(IllegalTransition):
        operations.lift(switch=switch, by=world.operator, now=NOW)
    kill(world, "team", "talent")


@pytest.mark.parametrize(("scope", "value", "reason", "pointer"), [
    ("planet", "x", "r", "/scope"),
    ("agent", "", "r", "/value"),
    ("all", "x", "r", "/value"),
    ("all", "", " ", "/reason"),
])  # fmt: skip
def test_kill_refuses(world: World, scope: str, value: str, reason: str, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        operations.kill(scope=scope, value=value, reason=reason, by=world.admin, now=NOW)
    assert [problem.pointer for problem in caught.value.errors] == [pointer]


def test_contain_pauses_revokes_and_stops(world: World) -> None:
    _, second = make_key(world.agent, by=world.owner, environment="staging")
    operations.contain(agent=world.agent, reason="leak", by=world.operator, now=NOW)
    assert Agent.objects.get().state == "paused"
    assert authenticate(world.text, now=NOW) is None
    assert authenticate(second, now=NOW) is None
    assert Command.objects.get().kind == "stop"
    assert details("agent.contained") == {"keys": 2, "reason": "leak"}
    assert {"agent.paused", "key.revoked", "command.requested"} <= set(kinds())


def test_a_paused_agent_can_be_contained_and_a_retired_one_not(world: World) -> None:
    operations.pause_agent(agent=world.agent, reason="", by=world.owner, now=NOW)
    operations.contain(agent=world.agent, reason="leak", by=world.operator, now=NOW)
    operations.retire_agent(agent=world.agent, reason="", by=world.operator, now=NOW)
    with pytest.raises(IllegalTransition):
        operations.contain(agent=world.agent, reason="leak", by=world.operator, now=NOW)
