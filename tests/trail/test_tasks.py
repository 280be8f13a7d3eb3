"""Every task, driven when there is something to do: rows changed, so an entry stands beside them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.db import transaction

from controlplane.celery import app
from registry.models import Command
from tests.faults.children import registered
from tests.faults.stage import Stage, build
from tests.faults.tasks import CASES, Case
from tests.trail.counting import install, watching
from tests.world import built_once

# What changes only tables that need no entry of their own (tests/trail/exemptions.py has the reasons), and which.
EXEMPT: dict[str, set[str]] = {
    "audit.seal": {"audit_seal"},
    "audit.seal_everything": {"audit_seal"},
    "costs.roll_up": {"costs_costrollup", "costs_dirtybucket"},
    "policies.prune_admissions": {"policies_admission"},
}
# What changes no row and says what it found.
SAYS = frozenset({"registry.dormant_check"})
WORK = [case for case in CASES if not case.effectless]


@pytest.fixture(scope="module")
def _stage(django_db_setup: None, django_db_blocker: Any) -> Iterator[Stage]:
    def make() -> Stage:
        registered()
        return build()

    with built_once(make, django_db_blocker) as made:
        yield made


@pytest.fixture
def stage(_stage: Stage, db: None) -> Stage:
    return deepcopy(_stage)


@pytest.mark.slow
@pytest.mark.parametrize("case", WORK, ids=[case.name for case in WORK])
def test_changes_of_a_task_are_in_the_trail(case: Case, stage: Stage) -> None:
    case.prepare(stage)
    install(exempt=True)
    with watching() as watch:
        app.tasks[case.name].apply(kwargs=dict(case.arguments), throw=True)
    assert watch.silent == []
    if case.name in EXEMPT:
        assert (watch.changed, watch.exempt) == (False, EXEMPT[case.name])
    else:
        assert watch.changed is (case.name not in SAYS), "the task had something else to do"
        assert watch.entries


@pytest.mark.slow
def test_a_task_that_says_nothing_is_caught(stage: Stage) -> None:
    """The naive twin: commands expire by an update of their rows alone."""
    next(case for case in WORK if case.name == "registry.expire_commands").prepare(stage)
    install()
    with watching() as watch, transaction.atomic():
        Command.objects.filter(state="requested").update(state="expired")
    assert watch.silent == [{"registry_command UPDATE": 2}]
