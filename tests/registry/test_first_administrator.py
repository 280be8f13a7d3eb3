"""The first person of an installation."""

from __future__ import annotations

from django.contrib.auth import authenticate

from registry import operations
from tests.registry.trail import kinds, last
from tests.world import NOW


def test_the_first_administrator_gets_a_one_time_password(db: None) -> None:
    created = operations.create_first_administrator(now=NOW)
    assert created is not None
    user, password = created
    assert (user.username, user.role, user.must_change_password, user.is_staff) == ("admin", "admin", True, True)
    assert authenticate(username="admin", password=password) == user
    assert password not in last("person.created").details
    assert operations.create_first_administrator(now=NOW) is None
    assert kinds() == ["person.created"]
