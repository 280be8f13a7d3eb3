"""Agents: registration, configuration, transfer, life."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import F

from audit.refusals import Conflict, IllegalTransition, Invalid, Stale
from registry import operations
from registry.models import Agent, AgentKey, AgentVersion, Release, User
from registry.states import AgentState, KeyState
from tests.registry.trail import details, kinds, last
from tests.world import NOW, World, make_agent, make_key


def save(world: World, **changes: Any) -> bool:
    facts: dict[str, Any] = {
        "slug": "job-applier", "name": "Job application agent", "owner": world.owner, "team": world.team,
        "capabilities": ["read", "write", "notify"], "data_scopes": ["candidates"], "tags": ["hr"],
        "by": world.operator, "now": NOW, **changes,
    }  # fmt: skip
    return operations.save_agent(**facts)[1]


def test_registration_releases_version_1_everywhere(world: World) -> None:
    version = AgentVersion.objects.get(agent=world.agent)
    assert (version.number, version.definition, version.state) == (1, {}, "production")
    live = Release.objects.filter(version=version, state="live").values_list("environment", flat=True)
    assert sorted(live) == ["production", "staging"]
    assert last("agent.registered").after_digest


def test_saving_the_same_in_another_order_changes_nothing(world: World) -> None:
    before = kinds()
    assert not save(world, capabilities=["notify", "write", "read"], tags=["hr", "hr"])
    assert kinds() == before


def test_a_change_says_from_what_to_what(world: World) -> None:
    assert save(world, tags=["b", "a"], purpose="To apply")
    assert details("agent.changed") == {
        "purpose": {"from": "", "to": "To apply"},
        "tags": {"from": ["hr"], "to": ["a", "b"]},
    }
    entry = last("agent.changed")
    assert entry.before_digest != entry.after_digest
    newest = Agent.history.filter(slug="job-applier").latest()
    assert (newest.tags, newest.history_user, newest.history_date) == (["a", "b"], world.operator, NOW)


def test_a_change_does_not_undo_a_pause_that_came_between(world: World) -> None:
    class Racing(list[str]):
        """Capabilities that pause the agent when they are looked at: after it was read, before it is written."""

        def __contains__(self, item: object) -> bool:
            Agent.objects.filter(slug="job-applier").update(state=AgentState.PAUSED, epoch=F("epoch") + 1)
            return super().__contains__(item)

    save(world, capabilities=Racing(["read"]), name="Other")
    agent = Agent.objects.get()
    assert (agent.name, agent.state, agent.capabilities) == ("Other", "paused", ["read"])


@pytest.mark.parametrize(("changes", "pointer"), [
    ({"slug": "Bad"}, "/slug"),
    ({"slug": "a--"}, "/slug"),
    ({"name": ""}, "/name"),
    ({"name": "x" * 121}, "/name"),
    ({"purpose": "x" * 4001}, "/purpose"),
    ({"capabilities": ["fly"]}, "/capabilities"),
    ({"enforcement": "strict"}, "/enforcement"),
    ({"tags": ["No Tag"]}, "/tags"),
    ({"data_scopes": [""]}, "/data_scopes"),
    ({"tags": [f"t{n}" for n in range(51)]}, "/tags"),
])  # fmt: skip
def test_save_agent_refuses(world: World, changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        save(world, **changes)
    assert [problem.pointer for problem in caught.value.errors] == [pointer]


def test_an_inactive_owner_is_refused_where_new(world: World) -> None:
    operations.deactivate(user=world.reviewer, by=world.admin, now=NOW)
    gone = User.objects.get(pk=world.reviewer.pk)
    for changes in ({"owner": gone}, {"owner": gone, "slug": "new"}):
        with pytest.raises(Invalid):
            save(world, **changes)


def test_a_transfer_raises_the_epoch(world: World) -> None:
    operations.transfer_agent(agent=world.agent, owner=world.reviewer, team=world.other, by=world.admin, now=NOW)
    agent = Agent.objects.get()
    assert (agent.owner, agent.team, agent.epoch) == (world.reviewer, world.other, 2)
    entry = last("agent.transferred")
    assert (entry.team, details("agent.transferred")["from"]["team"]) == ("billing", "talent")


def test_a_transfer_from_an_old_epoch_is_stale(world: World) -> None:
    twin = Agent.objects.get()
    operations.transfer_agent(agent=world.agent, owner=world.reviewer, team=world.team, by=world.admin, now=NOW)
    with pytest.raises(Stale):
        operations.transfer_agent(agent=twin, owner=world.owner, team=world.team, by=world.admin, now=NOW)


def test_pause_and_resume(world: World) -> None:
    operations.pause_agent(agent=world.agent, reason="odd", by=world.owner, now=NOW)
    assert Agent.objects.get().state_reason == "odd"
    with pytest.raises(IllegalTransition):
        operations.pause_agent(agent=world.agent, reason="odd", by=world.owner, now=NOW)
    operations.resume_agent(agent=world.agent, by=world.operator, now=NOW)
    assert Agent.objects.get().state == "active"
    assert kinds()[-2:] == ["agent.paused", "agent.resumed"]


def test_two_pauses_from_the_same_reading_are_stale(world: World) -> None:
    twin = Agent.objects.select_related("team").get()
    operations.pause_agent(agent=world.agent, reason="", by=world.owner, now=NOW)
    with pytest.raises(Stale):
        operations.pause_agent(agent=twin, reason="", by=world.owner, now=NOW)


def test_retirement_revokes_the_keys_and_is_final(world: World) -> None:
    make_key(world.agent, by=world.owner, environment="staging")
    operations.retire_agent(agent=world.agent, reason="done", by=world.operator, now=NOW)
    assert not AgentKey.objects.filter(state=KeyState.LIVE).exists()
    assert kinds().count("key.revoked") == 2
    attempts = (
        lambda: save(world, name="Other"),
        lambda: operations.transfer_agent(
            agent=world.agent, owner=world.owner, team=world.other, by=world.admin, now=NOW
        ),
        lambda: operations.create_version(agent=world.agent, definition={}, by=world.operator, now=NOW),
        lambda: make_key(world.agent, by=world.operator),
        lambda: operations.send_command(agent=world.agent, kind="stop", by=world.operator, now=NOW),
        lambda: operations.resume_agent(agent=world.agent, by=world.operator, now=NOW),
    )
    for attempt in attempts:
        with pytest.raises(Conflict):
            attempt()


def test_lists_show_what_is_theirs(world: World) -> None:
    make_agent("biller", owner=world.owner, team=world.other, by=world.admin)
    visible = {
        person: Agent.objects.visible_to(getattr(world, person)).count()
        for person in ("admin", "auditor", "operator", "owner", "reviewer", "stranger")
    }
    assert visible == {"admin": 2, "auditor": 2, "operator": 1, "owner": 2, "reviewer": 0, "stranger": 1}
