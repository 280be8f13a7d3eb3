"""What the tests of documents share."""

from __future__ import annotations

from pathlib import Path

import pytest

from controlplane.apply import Plan, apply_document
from registry.models import User
from registry.states import Role
from tests.world import NOW, make_admin, make_person

EXAMPLE = (Path(__file__).parent / "example.yaml").read_text(encoding="utf-8")


@pytest.fixture
def admin(db: None) -> User:
    """An administrator, beside the two people whom the example names."""
    make_person("talent-lead", Role.OPERATOR)
    make_person("talent-reviewer", Role.REVIEWER)
    return make_admin()


@pytest.fixture
def example(admin: User) -> Plan:
    """The example, applied."""
    return apply_document(text=EXAMPLE, by=admin, now=NOW)
