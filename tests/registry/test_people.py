"""People: creation, roles, passwords, and always one administrator."""

from __future__ import annotations

import pytest
from django.contrib.auth import authenticate

from audit.actors import System
from audit.refusals import Conflict, Invalid
from registry import operations
from registry.models import Team, User
from registry.states import Role
from tests.registry.trail import details, kinds
from tests.world import NOW, PASSWORD, World, make_admin

BY = System("test")


def test_no_first_administrator_where_anybody_exists(world: World) -> None:
    assert operations.create_first_administrator(now=NOW) is None


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"username": "a b"}, ["/username"]),
        ({"username": ""}, ["/username"]),
        ({"username": "x" * 151}, ["/username"]),
        ({"role": "king"}, ["/role"]),
        ({"password": "short"}, ["/password"]),
        ({"password": "newperson1"}, ["/password"]),
        ({"username": "a b", "role": "king", "password": ""}, ["/password", "/role", "/username"]),
    ],
)
def test_create_user_refuses(world: World, changes: dict[str, str], pointers: list[str]) -> None:
    given = {"username": "newperson", "role": "owner", "password": PASSWORD, **changes}
    with pytest.raises(Invalid) as caught:
        operations.create_user(**given, by=BY, now=NOW)
    assert sorted({problem.pointer for problem in caught.value.errors}) == pointers
    assert not User.objects.filter(username="newperson").exists()


def test_create_user_with_a_taken_name_is_a_conflict(world: World) -> None:
    with pytest.raises(Conflict):
        operations.create_user(username="auditor", role="owner", password=PASSWORD, by=BY, now=NOW)


def test_create_user_joins_teams(world: World) -> None:
    user = operations.create_user(
        username="new", role="operator", password=PASSWORD, teams=[world.team, world.other], by=BY, now=NOW
    )
    assert set(Team.objects.operated_by(user)) == {world.team, world.other}
    assert details("person.created") == {"role": "operator", "teams": ["billing", "talent"]}


@pytest.mark.parametrize("role", Role.values)
def test_a_role_brings_its_rights_in_the_teams(world: World, role: str) -> None:
    operations.set_role(user=world.reviewer, role=role, by=world.admin, now=NOW)
    user = User.objects.get(pk=world.reviewer.pk)
    everything, operating = role in {"admin", "auditor"}, role in {"admin", "operator"}
    assert Team.objects.visible_to(user).count() == (2 if everything else 1)
    assert Team.objects.operated_by(user).count() == (0 if not operating else 2 if role == "admin" else 1)
    assert user.is_superuser == (role == "admin")


def test_set_role_to_the_same_changes_nothing(world: World) -> None:
    before = kinds()
    assert operations.set_role(user=world.reviewer, role="reviewer", by=world.admin, now=NOW) is False
    assert kinds() == before


def test_set_role_refuses_an_unknown_one(world: World) -> None:
    with pytest.raises(Invalid):
        operations.set_role(user=world.reviewer, role="king", by=world.admin, now=NOW)


def test_the_last_administrator_stays(world: World) -> None:
    for attempt in (
        lambda: operations.set_role(user=world.admin, role="owner", by=world.admin, now=NOW),
        lambda: operations.deactivate(user=world.admin, by=world.admin, now=NOW),
    ):
        with pytest.raises(Conflict):
            attempt()
    second = make_admin("second")
    assert operations.deactivate(user=second, by=world.admin, now=NOW)
    with pytest.raises(Conflict):
        operations.set_role(user=world.admin, role="owner", by=world.admin, now=NOW)


def test_deactivated_people_lose_their_rights_and_get_them_back(world: World) -> None:
    assert operations.deactivate(user=world.operator, by=world.admin, now=NOW)
    assert not operations.deactivate(user=world.operator, by=world.admin, now=NOW)
    assert authenticate(username=world.operator.username, password=PASSWORD) is None
    assert not Team.objects.visible_to(world.operator).exists()
    assert operations.reactivate(user=world.operator, by=world.admin, now=NOW)
    assert list(Team.objects.operated_by(world.operator)) == [world.team]
    assert kinds()[-2:] == ["person.deactivated", "person.reactivated"]


def test_a_password_set_by_another_is_one_time(world: World) -> None:
    operations.change_password(user=world.owner, password=PASSWORD + "1", by=world.admin, now=NOW)
    assert User.objects.get(pk=world.owner.pk).must_change_password
    operations.change_password(user=world.owner, password=PASSWORD + "2", by=world.owner, now=NOW)
    assert not User.objects.get(pk=world.owner.pk).must_change_password
    assert authenticate(username="talent-lead", password=PASSWORD + "2") == world.owner
    assert details("person.password_changed") == {"one_time": False}


def test_change_password_refuses_a_weak_one(world: World) -> None:
    with pytest.raises(Invalid):
        operations.change_password(user=world.owner, password="12345678", by=world.owner, now=NOW)
