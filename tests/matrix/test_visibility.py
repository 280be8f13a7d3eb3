"""Each `visible_to` against a plain reading of section 12, over random worlds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db.models import Model, Q, QuerySet

from approvals.models import ApprovalRequest, Grant
from audit.models import Entry
from controlplane.api import urls
from controlplane.api.people import DetailView, ListView
from controlplane.console.map import PAGES
from registry.models import Agent, AgentVersion, Team, TeamUserRight, User, within_reach
from registry.states import Role
from tests.matrix.mixing import Rows, build
from tests.matrix.reading import READING, Reader
from tests.world import make_admin, make_agent, make_person, make_team


def differences(readers: list[Reader], rows: Rows, see: Callable[[type[Model], User], QuerySet[Any]]) -> list[str]:
    """Return where a queryset and section 12 disagree, in words."""
    found = []
    for model, all_of_it in rows.items():
        for reader in readers:
            expected = {row.pk for row in all_of_it if READING[model](reader, row)}
            shown = [row.pk for row in see(model, reader.user)]
            if set(shown) != expected or len(shown) != len(set(shown)):
                found.append(f"{model.__name__} for {reader.user.role}: {shown} instead of {sorted(expected, key=str)}")
    return found


def by_query_set(model: type[Model], user: User) -> QuerySet[Any]:
    """Ask the model's own QuerySet."""
    manager: Any = model._default_manager
    rows: QuerySet[Any] = manager.visible_to(user)
    return rows


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(12))
def test_query_sets_read_section_12_as_it_stands(seed: int) -> None:
    readers, rows = build(seed)
    assert all(rows.values())
    assert differences(readers, rows, by_query_set) == []


@pytest.mark.slow
@pytest.mark.django_db
def test_a_permissive_default_is_caught() -> None:
    """The naive twin: one QuerySet whose `visible_to` returns everything."""
    readers, rows = build(0)
    for permissive in (Grant, Entry, AgentVersion):

        def see(model: type[Model], user: User, open_to_all: type[Model] = permissive) -> QuerySet[Any]:
            return model._default_manager.all() if model is open_to_all else by_query_set(model, user)

        found = differences(readers, rows, see)
        assert found, permissive
        assert all(line.startswith(permissive.__name__) for line in found)


@pytest.mark.slow
@pytest.mark.django_db
def test_who_is_seated_by_name_or_by_an_escalation_is_not_forgotten() -> None:
    """The naive twin: a reading of requests that knows the teams of their queues alone."""
    readers, rows = build(0)

    def see(model: type[Model], user: User) -> QuerySet[Any]:
        if model is not ApprovalRequest or user.sees_everything or not user.is_active:
            return by_query_set(model, user)
        return ApprovalRequest.objects.filter(Q(queues__reviewers__members=user) | within_reach(user)).distinct()

    found = differences(readers, rows, see)
    assert found
    assert all(line.startswith("ApprovalRequest") for line in found)


def served() -> set[type[Model]]:
    """Return every model that the console has pages of, or the API serves rows of."""
    views = [getattr(pattern.callback, "cls", None) for pattern in urls.urlpatterns]
    rows = [view.queryset.model for view in views if view and issubclass(view, ListView | DetailView)]
    return {*PAGES, *rows}


def test_every_shown_model_says_who_sees_it() -> None:
    without = [model.__name__ for model in served() if not hasattr(model._default_manager.all(), "visible_to")]
    assert without == [], "give their QuerySets a visible_to(user)"


def test_every_model_that_says_who_sees_it_has_a_plain_reading() -> None:
    saying = {model for model in apps.get_models() if hasattr(model._default_manager.all(), "visible_to")}
    unread = {model.__name__ for model in served() | saying} - {model.__name__ for model in READING}
    assert unread == set(), "say in tests/matrix/reading.py who sees them, and make some in mixing.py"


@pytest.mark.django_db
def test_rights_die_with_their_team() -> None:
    admin, operator = make_admin(), make_person("op", Role.OPERATOR)
    team = make_team("gone", operator, by=admin)
    assert TeamUserRight.objects.filter(content_object=team).exists()
    team.members.clear()
    team.delete()
    assert not TeamUserRight.objects.exists()
    # Another team of the same number would inherit what was left behind.
    again = Team.objects.create(pk=team.pk, slug="gone", name="Gone")
    assert not Team.objects.operated_by(operator).filter(pk=again.pk).exists()


@pytest.mark.slow
@pytest.mark.django_db
def test_visible_rows_follow_the_people_of_the_moment() -> None:
    admin, operator = make_admin(), make_person("op", Role.OPERATOR)
    team = make_team("talent", operator, by=admin)
    agent = make_agent("a", owner=admin, team=team, by=admin)
    assert agent in Agent.objects.visible_to(operator)
    make_team("talent", by=admin)
    assert agent not in Agent.objects.visible_to(operator)
