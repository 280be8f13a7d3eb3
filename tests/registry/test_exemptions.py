"""Letting one agent out of a kill switch."""

from __future__ import annotations

import pytest

from audit.refusals import Conflict, Forbidden, Invalid, Missing
from registry import operations
from registry.models import KillExemption, KillSwitch
from tests.registry.trail import details, kinds
from tests.world import NOW, World, make_agent

pytestmark = pytest.mark.slow


def throw(world: World, scope: str, value: str = "") -> KillSwitch:
    return operations.kill(scope=scope, value=value, reason="smoke", by=world.admin, now=NOW)


@pytest.mark.parametrize(("scope", "value"), [("team", "talent"), ("tag", "hr"), ("all", "")])
def test_one_agent_is_let_out_and_put_back(world: World, scope: str, value: str) -> None:
    other = make_agent("sourcer", owner=world.owner, team=world.team, by=world.admin)
    switch = throw(world, scope, value)
    exemption = operations.let_out(switch=switch, agent=world.agent, reason="needed", by=world.admin, now=NOW)
    assert not KillSwitch.objects.stopping(world.agent).exists()
    assert KillSwitch.objects.stopping(other).exists()
    assert details("kill_switch.let_out") == {"scope": scope, "value": value, "reason": "needed"}
    operations.put_back(exemption=exemption, by=world.admin, now=NOW, reason="done")
    assert KillSwitch.objects.stopping(world.agent).get() == switch
    assert kinds()[-2:] == ["kill_switch.let_out", "kill_switch.put_back"]
    assert not KillExemption.objects.exists()


def test_a_second_switch_still_holds_it(world: World) -> None:
    everything, team = throw(world, "all"), throw(world, "team", "talent")
    operations.let_out(switch=everything, agent=world.agent, reason="needed", by=world.admin, now=NOW)
    assert KillSwitch.objects.stopping(world.agent).get() == team


def test_who_may_not_lift_lets_nobody_out(world: World) -> None:
    everything, team = throw(world, "all"), throw(world, "team", "talent")
    for person in (world.operator, world.owner, world.reviewer, world.auditor, world.stranger):
        with pytest.raises(Forbidden):
            operations.let_out(switch=everything, agent=world.agent, reason="x", by=person, now=NOW)
    with pytest.raises(Missing):
        operations.let_out(switch=team, agent=world.agent, reason="x", by=world.stranger, now=NOW)
    exemption = operations.let_out(switch=team, agent=world.agent, reason="x", by=world.operator, now=NOW)
    with pytest.raises(Forbidden):
        operations.put_back(exemption=exemption, by=world.owner, now=NOW)
    assert KillExemption.objects.get() == exemption


def test_what_cannot_be_let_out(world: World) -> None:
    biller = make_agent("biller", owner=world.stranger, team=world.other, by=world.admin, tags=[])
    own, team = throw(world, "agent", "job-applier"), throw(world, "team", "talent")
    with pytest.raises(Invalid):
        operations.let_out(switch=team, agent=world.agent, reason=" ", by=world.admin, now=NOW)
    with pytest.raises(Conflict, match="lift it instead"):
        operations.let_out(switch=own, agent=world.agent, reason="x", by=world.admin, now=NOW)
    with pytest.raises(Conflict, match="does not stop biller"):
        operations.let_out(switch=team, agent=biller, reason="x", by=world.admin, now=NOW)
    exemption = operations.let_out(switch=team, agent=world.agent, reason="x", by=world.admin, now=NOW)
    with pytest.raises(Conflict, match="already"):
        operations.let_out(switch=team, agent=world.agent, reason="x", by=world.admin, now=NOW)
    operations.put_back(exemption=exemption, by=world.admin, now=NOW)
    with pytest.raises(Conflict, match="already"):
        operations.put_back(exemption=KillExemption(switch=team, agent=world.agent, pk=1), by=world.admin, now=NOW)
    operations.lift(switch=team, by=world.admin, now=NOW)
    with pytest.raises(Conflict, match="lifted"):
        operations.let_out(switch=team, agent=world.agent, reason="x", by=world.admin, now=NOW)
