"""Who may take an agent out of the scope of a kill switch in force: whoever may lift it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audit.actors import System
from audit.refusals import Forbidden, Refusal
from controlplane.apply import apply_document
from registry import operations
from registry.models import Agent, KillSwitch, User
from tests.world import NOW, World, make_agent, make_person, make_team

Leave = Callable[[World, User], Any]


def agent_of(slug: str = "job-applier") -> Agent:
    return Agent.objects.select_related("team", "owner").get(slug=slug)


def save(by: User, slug: str = "job-applier", **facts: Any) -> bool:
    """Change an agent in the facts that are given."""
    agent = agent_of(slug)
    given = operations.agent_facts(agent) | {"owner": agent.owner, "team": agent.team} | facts
    return operations.save_agent(slug=slug, by=by, now=NOW, **given)[1]


def untag(_: World, by: User) -> None:
    save(by, tags=[])


def apply(_: World, by: User) -> None:
    apply_document(text="agents: {job-applier: {tags: [other]}}", by=by, now=NOW)


@pytest.fixture
def both(world: World) -> User:
    """An operator of both teams, each of which has an agent with the tag ``hr``."""
    person = make_person("both", "operator")
    members = [world.operator, world.owner, world.reviewer, world.second, person]
    operations.save_team(slug="talent", name="Talent", lead=world.owner, members=members, by=world.admin, now=NOW)
    operations.save_team(
        slug="billing", name="Billing", lead=None, members=[world.stranger, person], by=world.admin, now=NOW
    )
    make_agent("biller", owner=world.stranger, team=world.other, by=world.admin)
    return person


@pytest.mark.parametrize("leave", [untag, apply])
@pytest.mark.parametrize(
    ("role", "may"), [("admin", True), ("both", True), ("operator", False), ("owner", False), ("auditor", False)]
)
def test_a_tag_is_taken_off_by_whoever_may_lift_its_switch(
    world: World, both: User, leave: Leave, role: str, may: bool
) -> None:
    operations.kill(scope="tag", value="hr", reason="leak", by=world.admin, now=NOW)
    by = both if role == "both" else getattr(world, role)
    if may:
        leave(world, by)
    else:
        with pytest.raises(Forbidden) as caught:
            leave(world, by)
        assert role != "operator" or "The kill switch over the tag hr is in force" in caught.value.detail
    assert ("hr" in agent_of().tags) is not may
    assert KillSwitch.objects.stopping(agent_of()).exists() is not may


def test_the_line_of_a_document_is_named(world: World, both: User) -> None:
    operations.kill(scope="tag", value="hr", reason="leak", by=world.admin, now=NOW)
    with pytest.raises(Forbidden, match=r"^Line 1: agents/job-applier: The kill switch over the tag hr "):
        apply(world, world.operator)


def test_a_switch_over_their_own_agents_alone_is_left_by_its_operators(world: World) -> None:
    operations.kill(scope="tag", value="hr", reason="leak", by=world.admin, now=NOW)
    assert save(world.operator, tags=[])


def test_what_does_not_leave_the_scope_needs_no_more_than_before(world: World, both: User) -> None:
    operations.kill(scope="tag", value="hr", reason="leak", by=world.admin, now=NOW)
    assert save(world.operator, purpose="Another", tags=["hr", "more"])
    assert save(world.operator, tags=["hr"])
    operations.lift(switch=KillSwitch.objects.get(), by=world.admin, now=NOW)
    assert save(world.operator, tags=[])


@pytest.mark.slow
@pytest.mark.parametrize("switch", [("team", "talent"), ("tag", "hr"), ("all", "")])
def test_a_transfer_leaves_the_switch_of_the_team_only_with_the_right_to_lift_it(
    world: World, both: User, switch: tuple[str, str]
) -> None:
    operations.kill(scope=switch[0], value=switch[1], reason="leak", by=world.admin, now=NOW)
    proposed = operations.propose_transfer(
        agent=agent_of(), owner=world.stranger, team=world.other, reason="r", by=world.admin, now=NOW
    )
    for refused in (world.operator, world.stranger, world.auditor):
        with pytest.raises(Refusal):
            operations.accept_transfer(proposal=proposed, by=refused, now=NOW)
    operations.accept_transfer(proposal=proposed, by=both, now=NOW)
    assert KillSwitch.objects.stopping(agent_of()).exists() is (switch[0] != "team")


def test_a_tag_is_not_taken_off_along_with_a_transfer(world: World, both: User) -> None:
    make_agent("reader", owner=world.admin, team=make_team("legal", world.admin, by=world.admin), by=world.admin)
    operations.kill(scope="tag", value="hr", reason="leak", by=world.admin, now=NOW)
    with pytest.raises(Forbidden, match="tag hr"):
        save(both, team=world.other, owner=world.stranger, tags=[])
    assert agent_of().team == world.team
    assert save(both, team=world.other, owner=world.stranger)
    assert KillSwitch.objects.stopping(agent_of()).exists()


@pytest.mark.slow
def test_the_installation_may(world: World, both: User) -> None:
    operations.kill(scope="tag", value="hr", reason="leak", by=world.admin, now=NOW)
    operations.transfer_agent(agent=agent_of(), owner=world.stranger, team=world.other, by=System("test"), now=NOW)
    assert KillSwitch.objects.stopping(agent_of()).exists()


def test_going_back_keeps_the_tags_and_capabilities_of_now(world: World, both: User) -> None:
    """The page that reverts was opened before the agent was tagged and tightened."""
    opened = agent_of()
    record = Agent.history.filter(id=opened.pk).latest("history_id").history_id
    assert save(world.admin, name="Another", tags=["contained"], capabilities=["read"])
    operations.kill(scope="tag", value="contained", reason="leak", by=world.admin, now=NOW)
    assert operations.revert_agent(agent=opened, record_id=record, by=world.operator, now=NOW)
    agent = agent_of()
    assert (agent.name, agent.tags, agent.capabilities) == ("Job application agent", ["contained"], ["read"])
    assert KillSwitch.objects.stopping(agent).exists()
