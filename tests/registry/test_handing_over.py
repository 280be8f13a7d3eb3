"""Proposing and accepting transfers, reverting, discarding, rotating."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.refusals import Conflict, Forbidden, IllegalTransition, Invalid, Missing, Stale
from registry import operations
from registry.authentication import authenticate
from registry.models import Agent, AgentTransfer, AgentVersion, Release, Verb
from tests.registry.trail import details, kinds
from tests.world import NOW, World, make_person, make_team

pytestmark = pytest.mark.slow


def propose(world: World, **values: object) -> AgentTransfer:
    facts = {"agent": world.agent, "owner": world.operator, "team": world.team, "reason": "moves", "by": world.owner}
    return operations.propose_transfer(**{**facts, **values}, now=NOW)  # type: ignore[arg-type]


def test_an_owner_proposes_and_an_operator_of_both_teams_accepts(world: World) -> None:
    proposal = propose(world)
    world.agent.refresh_from_db()
    assert (world.agent.owner, world.agent.epoch) == (world.owner, 1)
    for person in (world.owner, world.reviewer, world.auditor, world.stranger):
        with pytest.raises((Forbidden, Missing)):
            operations.accept_transfer(proposal=proposal, by=person, now=NOW)
    operations.accept_transfer(proposal=proposal, by=world.operator, now=NOW)
    agent = Agent.objects.get()
    assert (agent.owner, agent.team, agent.epoch) == (world.operator, world.team, 2)
    assert kinds()[-3:] == ["transfer.proposed", "transfer.accepted", "agent.transferred"]
    with pytest.raises(IllegalTransition):
        operations.decline_transfer(proposal=proposal, by=world.operator, now=NOW)


def test_one_team_is_not_both_teams(world: World) -> None:
    proposal = propose(world, owner=world.stranger, team=world.other, by=world.admin)
    with pytest.raises(Forbidden):
        operations.accept_transfer(proposal=proposal, by=world.operator, now=NOW)
    operations.accept_transfer(proposal=proposal, by=world.admin, now=NOW)
    assert Agent.objects.get().team == world.other


def test_who_proposed_takes_it_back_and_others_decline(world: World) -> None:
    proposal = propose(world)
    for person in (world.reviewer, world.auditor):
        with pytest.raises((Forbidden, Missing)):
            operations.decline_transfer(proposal=proposal, by=person, now=NOW)
    operations.decline_transfer(proposal=proposal, by=world.owner, now=NOW, reason="no")
    assert details("transfer.declined")["reason"] == "no"
    operations.decline_transfer(proposal=propose(world), by=world.operator, now=NOW)


def test_proposals_that_cannot_be(world: World) -> None:
    for person in (world.reviewer, world.stranger, world.auditor):
        with pytest.raises((Forbidden, Missing)):
            propose(world, by=person)
    with pytest.raises(Missing):
        propose(world, team=world.other)
    with pytest.raises(Invalid) as caught:
        propose(world, owner=world.owner, reason=" ")
    assert {problem.pointer for problem in caught.value.errors} == {"/reason", "/owner"}
    propose(world)
    with pytest.raises(Conflict, match="already"):
        propose(world)
    assert AgentTransfer.objects.count() == 1


def test_a_transfer_in_the_meantime_voids_a_proposal(world: World) -> None:
    proposal = propose(world)
    operations.transfer_agent(agent=world.agent, owner=world.admin, team=world.team, by=world.admin, now=NOW)
    with pytest.raises(Stale):
        operations.accept_transfer(proposal=proposal, by=world.admin, now=NOW)
    propose(world, agent=Agent.objects.select_related("team", "owner").get(), by=world.operator)
    assert AgentTransfer.objects.open().count() == 1


def test_reverting_brings_back_words_and_never_rights(world: World) -> None:
    agent = Agent.objects.select_related("team", "owner").get()
    record = agent.history.first().history_id
    facts = {**operations.agent_facts(agent), "owner": world.operator, "team": world.team}
    facts |= {"name": "Other", "purpose": "p", "tags": ["x"], "capabilities": ["read"], "data_scopes": []}
    operations.save_agent(slug=agent.slug, by=world.operator, now=NOW, **facts)
    operations.pause_agent(agent=agent, reason="r", by=world.operator, now=NOW)
    agent = Agent.objects.select_related("team", "owner").get()
    assert operations.revert_agent(agent=agent, record_id=record, by=world.operator, now=NOW)
    now = Agent.objects.get()
    assert (now.name, now.purpose, now.data_scopes) == ("Job application agent", "", ["candidates"])
    assert (now.tags, now.capabilities, now.owner, now.state) == (["x"], ["read"], world.operator, "paused")
    assert kinds()[-2:] == ["agent.changed", "agent.reverted"]
    assert not operations.revert_agent(agent=now, record_id=record, by=world.operator, now=NOW)
    with pytest.raises(Missing):
        operations.revert_agent(agent=now, record_id=987_654, by=world.operator, now=NOW)
    with pytest.raises(Forbidden):
        operations.revert_agent(agent=now, record_id=record, by=world.auditor, now=NOW)


def test_an_edit_of_what_changed_in_the_meantime_is_stale(world: World) -> None:
    agent = Agent.objects.select_related("team", "owner").get()
    seen = operations.agent_digest(agent)
    facts = {**operations.agent_facts(agent), "owner": world.owner, "team": world.team}
    operations.save_agent(slug=agent.slug, by=world.operator, now=NOW, seen=seen, **{**facts, "name": "One"})
    with pytest.raises(Stale):
        operations.save_agent(slug=agent.slug, by=world.operator, now=NOW, seen=seen, **{**facts, "name": "Two"})
    assert Agent.objects.get().name == "One"


def test_a_discarded_draft_never_goes_live(world: World) -> None:
    draft = operations.create_version(agent=world.agent, definition={}, by=world.operator, now=NOW)
    with pytest.raises(Forbidden):
        operations.discard_draft(version=draft, by=world.owner, now=NOW)
    operations.discard_draft(version=draft, by=world.operator, now=NOW)
    assert AgentVersion.objects.get(number=2).state == "discarded"
    with pytest.raises(Conflict, match="discarded"):
        operations.promote(version=draft, environment="production", by=world.operator, now=NOW)
    with pytest.raises(Conflict):
        operations.edit_draft(version=draft, definition={"a": 1}, by=world.operator, now=NOW)
    with pytest.raises(IllegalTransition):
        operations.discard_draft(version=AgentVersion.objects.get(number=1), by=world.operator, now=NOW)
    assert Release.objects.count() == 2


def test_a_rotated_key_overlaps_and_ends(world: World) -> None:
    new, text = operations.rotate_key(key=world.key, by=world.owner, now=NOW, overlap=timedelta(hours=1))
    assert (new.environment, new.scopes) == (world.key.environment, world.key.scopes)
    soon, later = NOW + timedelta(minutes=59), NOW + timedelta(minutes=61)
    assert authenticate(world.text, now=soon) is not None
    assert authenticate(world.text, now=later) is None
    assert authenticate(text, now=later) is not None
    assert details("key.rotated")["replaced_by"] == new.public_id
    with pytest.raises(Conflict):
        operations.rotate_key(key=world.key, by=world.owner, now=NOW)
    with pytest.raises(Invalid):
        operations.rotate_key(key=new, by=world.owner, now=NOW, overlap=timedelta(days=8))
    with pytest.raises(Forbidden):
        operations.rotate_key(key=new, by=world.auditor, now=NOW)


def test_a_key_that_is_not_live_is_not_rotated(world: World) -> None:
    operations.revoke_key(key=world.key, by=world.owner, now=NOW)
    with pytest.raises(Conflict, match="not live"):
        operations.rotate_key(key=world.key, by=world.owner, now=NOW)
    assert kinds()[-1] == "key.revoked"


def test_people_are_created_with_a_one_time_password_and_changed(world: World) -> None:
    user, password = operations.create_person(
        username="nina", role="operator", teams=[world.team], first_name="Nina", email="nina@example.com",
        by=world.admin, now=NOW,
    )  # fmt: skip
    assert user.check_password(password)
    assert user.must_change_password
    assert list(Agent.objects.operated_by(user)) == [world.agent]
    facts = {"first_name": "N", "last_name": "X", "email": "", "role": "operator"}
    assert operations.edit_person(user=user, teams=[world.other], by=world.admin, now=NOW, **facts)
    assert not Agent.objects.operated_by(user).exists()
    assert details("person.teams_changed") == {"joined": ["billing"], "left": ["talent"]}
    assert details("person.changed") == {"fields": ["email", "first_name", "last_name"]}
    assert not operations.edit_person(user=user, teams=[world.other], by=world.admin, now=NOW, **facts)
    with pytest.raises(Invalid):
        operations.edit_person(user=user, teams=[], by=world.admin, now=NOW, **{**facts, "email": "no"})
    with pytest.raises(Conflict, match="leads talent"):
        operations.edit_person(user=world.owner, teams=[], by=world.admin, now=NOW, **{**facts, "role": "owner"})
    with pytest.raises(Forbidden):
        operations.edit_person(user=user, teams=[], by=world.operator, now=NOW, **facts)
    again = operations.reset_password(user=user, by=world.admin, now=NOW)
    assert user.check_password(again)
    with pytest.raises(Conflict):
        operations.reset_password(user=world.admin, by=world.admin, now=NOW)
    with pytest.raises(Forbidden):
        operations.reset_password(user=user, by=world.operator, now=NOW)


def test_only_an_empty_team_is_deleted_and_its_rights_die(world: World) -> None:
    member = make_person("mona", "operator")
    team = make_team("fresh", member, by=world.admin)
    operations.grant_publish(team=team, user=member, by=world.admin, now=NOW)
    with pytest.raises(Forbidden):
        operations.delete_team(team=team, by=world.operator, now=NOW)
    with pytest.raises(Conflict, match="agents belong"):
        operations.delete_team(team=world.team, by=world.admin, now=NOW)
    operations.delete_team(team=team, by=world.admin, now=NOW)
    assert details("team.deleted")["members"] == ["mona"]
    assert not type(team).objects.operated_by(member).exists()


def test_a_verb_is_reverted(world: World) -> None:
    verb = Verb.objects.get(name="report.read")
    record = verb.history.first().history_id
    operations.save_verb(name="report.read", spec={"capability": "write"}, by=world.admin, now=NOW)
    with pytest.raises(Forbidden):
        operations.revert_verb(verb=verb, record_id=record, by=world.operator, now=NOW)
    assert operations.revert_verb(verb=verb, record_id=record, by=world.admin, now=NOW)
    verb.refresh_from_db()
    assert verb.spec == {"capability": "read"}
    assert kinds()[-1] == "verb.reverted"
