"""Commands: told, handed out, acknowledged, expired."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from audit.refusals import Conflict, Gone, IllegalTransition, Invalid, Missing
from registry import operations, tasks
from registry.authentication import Principal, authenticate
from registry.models import Agent, Command
from registry.operations.commands import LIFE, REDELIVERY
from tests.registry.trail import kinds, last
from tests.world import NOW, World, make_agent, make_key


def send(world: World, kind: str = "stop", **more: Any) -> Command:
    return operations.send_command(agent=world.agent, kind=kind, by=world.operator, now=NOW, **more)


def fetch(world: World, **later: float) -> list[Command]:
    return operations.fetch_commands(principal=world.principal, now=NOW + timedelta(**later))


def acknowledge(principal: Principal, command: Command, status: str = "succeeded", **more: Any) -> Command:
    return operations.acknowledge(principal=principal, command_id=command.pk, status=status, now=NOW, **more)


def other(world: World) -> Principal:
    agent = make_agent("biller", owner=world.stranger, team=world.other, by=world.stranger)
    principal = authenticate(make_key(agent, by=world.stranger)[1], now=NOW)
    assert principal is not None
    return principal


def test_the_whole_way(world: World) -> None:
    first, second = send(world, "start"), send(world, "dispatch", parameters={"task": 7})
    assert fetch(world) == [first, second]
    done = acknowledge(world.principal, first, note="up")
    assert (done.state, done.note, done.reported_at) == ("succeeded", "up", NOW)
    acknowledge(world.principal, second, "failed", note="no")
    assert kinds()[-6:] == [
        "command.requested", "command.requested", "command.delivered", "command.delivered", "command.succeeded",
        "command.failed",
    ]  # fmt: skip
    assert (last("command.succeeded").actor_type, last("command.succeeded").token_id) == ("agent", world.key.public_id)


def test_what_was_handed_out_comes_again_only_after_a_minute(world: World) -> None:
    command = send(world)
    assert fetch(world) == [command]
    assert fetch(world, seconds=59) == []
    assert fetch(world, seconds=REDELIVERY.total_seconds()) == [command]
    assert fetch(world, seconds=61) == []
    assert kinds()[-1] == "command.redelivered"
    acknowledge(world.principal, command)
    assert fetch(world, minutes=5) == []


@pytest.mark.parametrize(("kind", "status", "reported"), [
    ("start", "succeeded", "running"),
    ("stop", "succeeded", "stopped"),
    ("stop", "failed", ""),
    ("dispatch", "succeeded", ""),
])  # fmt: skip
def test_the_agent_says_what_it_is(world: World, kind: str, status: str, reported: str) -> None:
    acknowledge(world.principal, send(world, kind), status)
    agent = Agent.objects.get()
    assert (agent.reported_state, agent.state) == (reported, "active")


def test_the_same_acknowledgement_again_changes_nothing(world: World) -> None:
    command = send(world)
    acknowledge(world.principal, command, note="first")
    before = kinds()
    assert acknowledge(world.principal, command, note="second").note == "first"
    assert kinds() == before
    with pytest.raises(IllegalTransition):
        acknowledge(world.principal, command, "failed")


def test_another_agent_finds_nothing(world: World) -> None:
    command, stranger = send(world), other(world)
    assert operations.fetch_commands(principal=stranger, now=NOW) == []
    with pytest.raises(Missing):
        acknowledge(stranger, command)
    with pytest.raises(Missing):
        operations.acknowledge(principal=world.principal, command_id=uuid4(), status="failed", now=NOW)


def test_time_is_over_when_it_is_over(world: World) -> None:
    command = send(world)
    end = NOW + LIFE
    assert fetch(world, seconds=LIFE.total_seconds()) == []
    with pytest.raises(Gone):
        operations.acknowledge(principal=world.principal, command_id=command.pk, status="succeeded", now=end)
    assert operations.expire_commands(now=end - timedelta(seconds=1)) == 0
    assert operations.expire_commands(now=end) == 1
    assert operations.expire_commands(now=end) == 0
    assert Command.objects.get().state == "expired"
    assert (last("command.expired").actor_type, last("command.expired").actor_id) == ("system", "expire_commands")
    with pytest.raises(Gone):
        acknowledge(world.principal, command)


def test_the_task_expires_what_is_over(world: World) -> None:
    command = send(world)
    Command.objects.filter(pk=command.pk).update(expires_at=NOW - timedelta(days=9000))
    assert tasks.expire_commands(new_argument_of_a_later_version=1) == 1


@pytest.mark.parametrize("more", [
    {"kind": "dance"},
    {"ttl": timedelta(0)},
    {"ttl": timedelta(days=8)},
    {"parameters": {"a": "\x00"}},
])  # fmt: skip
def test_send_command_refuses(world: World, more: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        send(world, **more)


@pytest.mark.parametrize("more", [{"status": "maybe"}, {"status": "failed", "note": "x" * 2001}])
def test_acknowledge_refuses(world: World, more: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        acknowledge(world.principal, send(world), **more)


def test_a_paused_agent_can_only_be_told_to_stop(world: World) -> None:
    operations.pause_agent(agent=world.agent, reason="", by=world.operator, now=NOW)
    for kind in ("start", "dispatch"):
        with pytest.raises(Conflict):
            send(world, kind)
    send(world, "stop")
