"""Teams: membership, and the rights that follow it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from audit.refusals import Conflict, Forbidden, Invalid
from registry import operations, permissions
from registry.models import Agent, Team, TeamUserRight, User
from tests.registry.trail import details, kinds
from tests.world import NOW, World, make_agent


def save(world: World, *members: User, slug: str = "talent", name: str = "Talent", lead: User | None = None) -> bool:
    return operations.save_team(slug=slug, name=name, lead=lead, members=members, by=world.admin, now=NOW)


def rights(team: Team) -> set[str]:
    rows = TeamUserRight.objects.filter(content_object=team)
    return {f"{name} {right}" for name, right in rows.values_list("user__username", "permission__codename")}


def test_members_see_and_operators_operate(world: World) -> None:
    assert rights(world.other) == {"billing-operator view_team", "billing-operator operate_team"}
    assert rights(world.team) == {
        "talent-operator view_team", "talent-operator operate_team", "talent-lead view_team",
        "talent-reviewer view_team", "second-reviewer view_team",
    }  # fmt: skip


def test_leaving_takes_the_rights(world: World) -> None:
    operations.grant_publish(team=world.team, user=world.operator, by=world.admin, now=NOW)
    assert save(world, world.reviewer)
    assert rights(world.team) == {"talent-reviewer view_team"}
    assert details("team.changed")["after"] == {"lead": None, "members": ["talent-reviewer"], "name": "Talent"}


def test_saving_the_same_changes_nothing(world: World) -> None:
    before = kinds()
    assert not save(world, world.second, world.reviewer, world.owner, world.operator, lead=world.owner)
    assert kinds() == before


def test_history_keeps_who_changed_the_team(world: World) -> None:
    save(world, world.owner, name="Other")
    newest = Team.history.filter(slug="talent").latest()
    assert (newest.name, newest.history_user, newest.history_date) == ("Other", world.admin, NOW)


@pytest.mark.parametrize(("changes", "pointer"), [
    ({"slug": "Bad Slug"}, "/slug"),
    ({"slug": "a" * 65}, "/slug"),
    ({"slug": "new", "name": " "}, "/name"),
    ({"slug": "new", "name": "x" * 121}, "/name"),
])  # fmt: skip
def test_save_team_refuses(world: World, changes: dict[str, str], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        save(world, **changes)
    assert [problem.pointer for problem in caught.value.errors] == [pointer]


def test_the_lead_must_be_a_member(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        save(world, world.reviewer, lead=world.owner)
    assert caught.value.errors[0].pointer == "/lead"


def test_a_deactivated_person_cannot_join(world: World) -> None:
    operations.deactivate(user=world.auditor, by=world.admin, now=NOW)
    world.auditor.refresh_from_db()
    with pytest.raises(Invalid) as caught:
        save(world, world.auditor)
    assert caught.value.errors[0].pointer == "/members"


def test_publishing_needs_the_right_over_every_matched_agent(world: World) -> None:
    make_agent("biller", owner=world.stranger, team=world.other, by=world.stranger)
    talent, everything = Agent.objects.filter(team=world.team), Agent.objects.all()
    assert operations.grant_publish(team=world.team, user=world.operator, by=world.admin, now=NOW)
    assert not operations.grant_publish(team=world.team, user=world.operator, by=world.admin, now=NOW)
    permissions.may_publish(world.operator, talent)
    permissions.may_publish(world.operator, Agent.objects.none())
    with pytest.raises(Forbidden):
        permissions.may_publish(world.operator, everything)
    with pytest.raises(Forbidden):
        permissions.may_publish(world.stranger, Agent.objects.none())
    assert operations.withdraw_publish(team=world.team, user=world.operator, by=world.admin, now=NOW)
    assert not operations.withdraw_publish(team=world.team, user=world.operator, by=world.admin, now=NOW)
    with pytest.raises(Forbidden):
        permissions.may_publish(world.operator, talent)
    assert kinds()[-2:] == ["team.publish_granted", "team.publish_withdrawn"]


def test_only_operators_of_the_team_can_be_granted_publish(world: World) -> None:
    for person in (world.reviewer, world.owner, world.stranger):
        with pytest.raises(Conflict):
            operations.grant_publish(team=world.team, user=person, by=world.admin, now=NOW)


def test_publish_ends_with_the_role(world: World) -> None:
    operations.grant_publish(team=world.team, user=world.operator, by=world.admin, now=NOW)
    operations.set_role(user=world.operator, role="owner", by=world.admin, now=NOW)
    operations.set_role(user=world.operator, role="operator", by=world.admin, now=NOW)
    assert not Team.objects.published_by(world.operator).exists()


def test_rights_die_with_the_team(world: World) -> None:
    team = Team.objects.create(slug="brief", name="Brief")
    right = Permission.objects.get(codename="view_team", content_type__app_label="registry")
    TeamUserRight.objects.create(user=world.owner, content_object=team, permission=right)
    pk = team.pk
    team.delete()
    assert not TeamUserRight.objects.filter(content_object_id=pk).exists()
