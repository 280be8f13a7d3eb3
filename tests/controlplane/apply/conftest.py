"""What the tests of documents share. A module uses `admin` on an empty installation, or `example`; not both."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controlplane.apply import DocumentRefused, Plan, apply_document
from registry.models import User
from registry.states import Role
from tests.world import NOW, built_once, make_admin, make_person

EXAMPLE = (Path(__file__).parent / "example.yaml").read_text(encoding="utf-8")


def apply(text: str, by: User, *, dry_run: bool = False) -> Plan:
    """Apply a document."""
    return apply_document(text=text, by=by, now=NOW, dry_run=dry_run)


def signs(plan: Plan) -> dict[str, str]:
    """Return the sign of every entry of a plan."""
    return {f"{change.section}/{change.name}": change.sign for change in plan.changes}


def refused(text: str, by: User) -> list[str]:
    """Return the places of the defects for which a document is refused."""
    with pytest.raises(DocumentRefused) as caught:
        apply(text, by)
    return [f"{place.line} {place.pointer}" for place in caught.value.located]


def make_people() -> User:
    """Create an administrator, and the two people whom the example names."""
    make_person("talent-lead", Role.OPERATOR)
    make_person("talent-reviewer", Role.REVIEWER)
    return make_admin()


@pytest.fixture(scope="module")
def _admin(django_db_setup: None, django_db_blocker: Any) -> Iterator[User]:
    with built_once(make_people, django_db_blocker) as made:
        yield made


@pytest.fixture(scope="module")
def _example(_admin: User, django_db_blocker: Any) -> Iterator[Plan]:
    with built_once(lambda: apply(EXAMPLE, _admin), django_db_blocker) as made:
        yield made


@pytest.fixture
def admin(_admin: User, db: None) -> User:
    """An administrator, beside the two people whom the example names."""
    return copy.deepcopy(_admin)


@pytest.fixture
def example(_example: Plan, db: None) -> Plan:
    """The plan by which the example was applied."""
    return _example
