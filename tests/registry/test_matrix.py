"""Who may do what: every operation against every kind of person (`semantics 12`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from audit.refusals import Forbidden, Missing, Refusal
from registry import operations, permissions
from registry.models import Agent, User
from tests.world import NOW, PASSWORD, VERBS, World

pytestmark = pytest.mark.slow

PEOPLE = ("admin", "operator", "owner", "reviewer", "auditor", "stranger")

Call = Callable[[World, Any], object]


def _saved(world: World, by: Any, **changes: Any) -> object:
    facts = {"capabilities": ["read"], "owner": world.owner, "team": world.team, **changes}
    return operations.save_agent(slug=world.agent.slug, name="Other", by=by, now=NOW, **facts)


def _registered(world: World, by: Any) -> object:
    return operations.save_agent(slug="new", name="New", owner=world.owner, team=world.team, by=by, now=NOW)


def _draft(world: World) -> Any:
    return operations.create_version(agent=world.agent, definition={"n": 1}, by=world.admin, now=NOW)


def _switch(world: World, scope: str, value: str) -> Any:
    return operations.kill(scope=scope, value=value, reason="test", by=world.admin, now=NOW)


def _paused(world: World) -> Agent:
    operations.pause_agent(agent=world.agent, reason="test", by=world.admin, now=NOW)
    return world.agent


def _promoted(world: World) -> Agent:
    operations.promote(version=_draft(world), environment="production", by=world.admin, now=NOW)
    return world.agent


# What is done, and who may; of the others, those who see the agent are forbidden, the rest find nothing.
ON_THE_AGENT: dict[str, tuple[Call, set[str]]] = {
    "configure": (_saved, {"admin", "operator"}),
    "transfer": (lambda w, by: _saved(w, by, team=w.other), {"admin"}),
    "give away": (
        lambda w, by: operations.transfer_agent(agent=w.agent, owner=w.reviewer, team=w.team, by=by, now=NOW),
        {"admin", "operator"},
    ),
    "pause": (
        lambda w, by: operations.pause_agent(agent=w.agent, reason="r", by=by, now=NOW),
        {"admin", "operator", "owner"},
    ),
    "resume": (lambda w, by: operations.resume_agent(agent=_paused(w), by=by, now=NOW), {"admin", "operator"}),
    "retire": (
        lambda w, by: operations.retire_agent(agent=w.agent, reason="r", by=by, now=NOW),
        {"admin", "operator"},
    ),
    "contain": (lambda w, by: operations.contain(agent=w.agent, reason="r", by=by, now=NOW), {"admin", "operator"}),
    "draft": (
        lambda w, by: operations.create_version(agent=w.agent, definition={}, by=by, now=NOW),
        {"admin", "operator"},
    ),
    "edit draft": (
        lambda w, by: operations.edit_draft(version=_draft(w), definition={"n": 2}, by=by, now=NOW),
        {"admin", "operator"},
    ),
    "promote": (
        lambda w, by: operations.promote(version=_draft(w), environment="staging", by=by, now=NOW),
        {"admin", "operator"},
    ),
    "roll back": (
        lambda w, by: operations.roll_back(agent=_promoted(w), environment="production", by=by, now=NOW),
        {"admin", "operator"},
    ),
    "issue key": (
        lambda w, by: operations.issue_key(agent=w.agent, environment="production", scopes=["act"], by=by, now=NOW),
        {"admin", "operator", "owner"},
    ),
    "revoke key": (lambda w, by: operations.revoke_key(key=w.key, by=by, now=NOW), {"admin", "operator", "owner"}),
    "command": (
        lambda w, by: operations.send_command(agent=w.agent, kind="stop", by=by, now=NOW),
        {"admin", "operator"},
    ),
    "kill": (
        lambda w, by: operations.kill(scope="agent", value=w.agent.slug, reason="r", by=by, now=NOW),
        {"admin", "operator"},
    ),
    "lift": (
        lambda w, by: operations.lift(switch=_switch(w, "agent", w.agent.slug), by=by, now=NOW),
        {"admin", "operator"},
    ),
}  # fmt: skip
SEES_THE_AGENT = {"admin", "operator", "owner", "auditor"}

# The same for teams: whoever does not see the team finds nothing.
ON_THE_TEAM: dict[str, tuple[Call, set[str]]] = {
    "register": (_registered, {"admin", "operator"}),
    "kill team": (
        lambda w, by: operations.kill(scope="team", value=w.team.slug, reason="r", by=by, now=NOW),
        {"admin", "operator"},
    ),
    "change team": (
        lambda w, by: operations.save_team(slug="talent", name="Other", lead=None, members=[], by=by, now=NOW),
        {"admin"},
    ),
}
SEES_THE_TEAM = {"admin", "operator", "owner", "reviewer", "auditor"}

# Where there is nothing to hide, everybody else is forbidden.
ON_THE_WHOLE: dict[str, tuple[Call, set[str]]] = {
    "create team": (
        lambda w, by: operations.save_team(slug="new", name="New", lead=None, members=[], by=by, now=NOW),
        {"admin"},
    ),
    "create person": (
        lambda w, by: operations.create_user(username="new", role="owner", password=PASSWORD, by=by, now=NOW),
        {"admin"},
    ),
    "set role": (lambda w, by: operations.set_role(user=w.reviewer, role="owner", by=by, now=NOW), {"admin"}),
    "deactivate": (lambda w, by: operations.deactivate(user=w.second, by=by, now=NOW), {"admin"}),
    "reactivate": (lambda w, by: operations.reactivate(user=w.second, by=by, now=NOW), {"admin"}),
    "change another's password": (
        lambda w, by: operations.change_password(user=w.second, password=PASSWORD + "2", by=by, now=NOW),
        {"admin"},
    ),
    "grant publish": (
        lambda w, by: operations.grant_publish(team=w.team, user=w.operator, by=by, now=NOW),
        {"admin"},
    ),
    "withdraw publish": (
        lambda w, by: operations.withdraw_publish(team=w.team, user=w.operator, by=by, now=NOW),
        {"admin"},
    ),
    "change verb": (
        lambda w, by: operations.save_verb(name="report.read", spec={"capability": "write"}, by=by, now=NOW),
        {"admin"},
    ),
    "kill tag": (
        lambda w, by: operations.kill(scope="tag", value="hr", reason="r", by=by, now=NOW),
        {"admin", "operator"},
    ),
    "kill tag of nobody": (
        lambda w, by: operations.kill(scope="tag", value="void", reason="r", by=by, now=NOW),
        {"admin"},
    ),
    "kill all": (lambda w, by: operations.kill(scope="all", value="", reason="r", by=by, now=NOW), {"admin"}),
    "publish over the agent": (lambda w, by: permissions.may_publish(by, Agent.objects.all()), {"admin"}),
}


def outcome(call: Call, world: World, by: Any) -> type[Refusal] | None:
    """Do it, say how it was refused, and undo it."""
    refusal = None
    with transaction.atomic():
        try:
            # What the call itself prepares and what it does share one savepoint.
            with transaction.atomic():
                call(world, by)
        except Refusal as error:
            refusal = type(error)
        transaction.set_rollback(True)
    for row in (world.agent, world.key, world.reviewer, world.second):
        row.refresh_from_db()
    return refusal


def expected(name: str, allowed: set[str], seeing: set[str]) -> type[Refusal] | None:
    if name in allowed:
        return None
    return Forbidden if name in seeing else Missing


@pytest.mark.parametrize("name", ON_THE_AGENT)
def test_on_the_agent(world: World, name: str) -> None:
    call, allowed = ON_THE_AGENT[name]
    found = {person: outcome(call, world, getattr(world, person)) for person in PEOPLE}
    assert found == {person: expected(person, allowed, SEES_THE_AGENT) for person in PEOPLE}


@pytest.mark.parametrize("name", ON_THE_TEAM)
def test_on_the_team(world: World, name: str) -> None:
    call, allowed = ON_THE_TEAM[name]
    found = {person: outcome(call, world, getattr(world, person)) for person in PEOPLE}
    assert found == {person: expected(person, allowed, SEES_THE_TEAM) for person in PEOPLE}


@pytest.mark.parametrize("name", ON_THE_WHOLE)
def test_on_the_whole(world: World, name: str) -> None:
    call, allowed = ON_THE_WHOLE[name]
    found = {person: outcome(call, world, getattr(world, person)) for person in PEOPLE}
    assert found == {person: expected(person, allowed, set(PEOPLE)) for person in PEOPLE}


EVERYTHING = {**ON_THE_AGENT, **ON_THE_TEAM, **ON_THE_WHOLE}


def test_a_deactivated_administrator_may_nothing(world: World) -> None:
    gone = User(username="gone", role="admin", is_superuser=True, is_active=False)
    assert {name: outcome(call, world, gone) for name, (call, _) in EVERYTHING.items()} == dict.fromkeys(
        EVERYTHING, Forbidden
    )


def test_an_agents_key_may_nothing(world: World) -> None:
    key = world.principal
    assert {name: outcome(call, world, key) for name, (call, _) in EVERYTHING.items()} == dict.fromkeys(
        EVERYTHING, Forbidden
    )


def test_a_superuser_has_the_rights_of_their_role(world: World) -> None:
    world.reviewer.is_superuser = True
    world.reviewer.save()
    assert outcome(ON_THE_AGENT["pause"][0], world, world.reviewer) is Missing
    assert outcome(ON_THE_TEAM["register"][0], world, world.reviewer) is Forbidden
    assert outcome(ON_THE_WHOLE["publish over the agent"][0], world, world.reviewer) is Forbidden


def test_an_operator_of_every_team_may_change_verbs(world: World) -> None:
    operations.save_team(
        slug="billing", name="Billing", lead=None, members=[world.stranger, world.operator], by=world.admin, now=NOW
    )
    assert outcome(ON_THE_WHOLE["change verb"][0], world, world.operator) is None
    assert outcome(ON_THE_WHOLE["change verb"][0], world, world.stranger) is Forbidden


def test_saving_a_verb_as_it_is_needs_no_right(world: World) -> None:
    name, spec = next(iter(VERBS.items()))
    assert operations.save_verb(name=name, spec=spec, by=world.reviewer, now=NOW) is False
