"""Writing budgets: values, documents, rights, the trail."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from audit.models import Entry
from audit.refusals import Conflict, Forbidden, Invalid, Missing
from costs.models import Budget, BudgetPeriod
from costs.operations import budget_document, budget_documents, save_budget
from costs.states import AtLimit, Scope
from registry.models import Catalogue
from registry.operations import grant_publish
from tests.costs.spending import Small, make_budget
from tests.world import INSTALLATION, NOW, World

pytestmark = pytest.mark.slow

EXAMPLE: dict[str, Any] = {
    "team": "talent", "per": "month", "zone": "UTC", "limit_usd": "200.00", "reserve_usd": "0.05",
    "alert_at": [50, 80, 100], "at_limit": "deny",
}  # fmt: skip


def save(by: Any = INSTALLATION, slug: str = "talent-month", **document: Any) -> bool:
    return save_budget(slug=slug, document=document, by=by, now=NOW)


@pytest.mark.parametrize(
    "document",
    [
        EXAMPLE,
        {**{key: value for key, value in EXAMPLE.items() if key != "team"}, "organisation": True, "at_limit": "alert"},
        {**{key: value for key, value in EXAMPLE.items() if key != "team"}, "agent": "job-applier", "per": "week"},
        {
            **{key: value for key, value in EXAMPLE.items() if key != "team"},
            "agent": "job-applier", "task": "screen", "zone": "Europe/Berlin", "limit_usd": "0.000000001",
        },
        {**EXAMPLE, "active": False, "alert_at": []},
    ],
)  # fmt: skip
def test_budget_document_is_what_was_saved(small: Small, document: dict[str, Any]) -> None:
    assert save(**document) is True
    assert budget_documents() == {"talent-month": document}
    assert save(**document) is False
    assert Entry.objects.filter(object_type="budget").count() == 1


def test_save_budget_fills_in_what_a_new_one_leaves_out(small: Small) -> None:
    save(team="talent", per="day", limit_usd="3")
    save(slug="all", organisation=True, per="day", limit_usd="3")
    budget, everything = Budget.objects.get(slug="talent-month"), Budget.objects.get(slug="all")
    assert (budget.scope, budget.zone, budget.reserve_nanousd) == (Scope.TEAM, "UTC", 50_000_000)
    assert (budget.alert_at, budget.at_limit, budget.active) == ([50, 80, 100], AtLimit.DENY, True)
    assert everything.at_limit == AtLimit.ALERT


def test_save_budget_leaves_alone_what_is_left_out(small: Small) -> None:
    save(**EXAMPLE)
    assert save(limit_usd="300.00") is True
    assert budget_document(Budget.objects.get()) == {**EXAMPLE, "limit_usd": "300.00"}
    entry = Entry.objects.get(kind="budget.changed")
    assert (entry.object_id, entry.team, entry.actor_type) == ("talent-month", "talent", "system")
    assert entry.before_digest != entry.after_digest
    assert Budget.history.count() == 2  # type: ignore[attr-defined]  # simple-history adds it


def test_save_budget_renews_the_catalogues_revision_if_it_changes(small: Small) -> None:
    make_budget("another")
    before = Catalogue.objects.get().revision
    save(**EXAMPLE)
    after = Catalogue.objects.get().revision
    assert after != before
    save(**EXAMPLE)
    assert Catalogue.objects.get().revision == after


def test_save_budget_opens_the_present_period(small: Small) -> None:
    save(**EXAMPLE)
    save(slug="draft", **{**EXAMPLE, "active": False})
    row = BudgetPeriod.objects.get()
    assert (row.budget.slug, row.starts_at.isoformat()) == ("talent-month", "2026-11-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"limit_usd": 200.0}, "/limit_usd"),
        ({"limit_usd": "-1"}, "/limit_usd"),
        ({"limit_usd": "0.00"}, "/limit_usd"),
        ({"limit_usd": "1e3"}, "/limit_usd"),
        ({"limit_usd": "1000000001"}, "/limit_usd"),
        ({"reserve_usd": "0.0000000001"}, "/reserve_usd"),
        ({"per": "year"}, "/per"),
        ({"zone": "Mars/Olympus"}, "/zone"),
        ({"zone": "../../etc/passwd"}, "/zone"),
        ({"alert_at": [0]}, "/alert_at"),
        ({"alert_at": [1001]}, "/alert_at"),
        ({"alert_at": list(range(1, 22))}, "/alert_at"),
        ({"alert_at": ["50"]}, "/alert_at/0"),
        ({"alert_at": [True]}, "/alert_at/0"),
        ({"alert_at": 50}, "/alert_at"),
        ({"at_limit": "explode"}, "/at_limit"),
        ({"active": "no"}, "/active"),
        ({"organisation": True}, ""),
        ({"agent": "job-applier"}, ""),
        ({"task": "screen"}, "/task"),
        ({"limit": "1"}, "/limit"),
        ({"team": None}, "/team"),
    ],
)
def test_save_budget_refuses_bad_values_with_a_pointer(small: Small, changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        save(**{**EXAMPLE, **changes})
    assert [problem.pointer for problem in caught.value.errors] == [pointer]
    assert not Budget.objects.exists()


@pytest.mark.parametrize("missing", ["per", "limit_usd", "team"])
def test_save_budget_new_needs_whom_how_long_and_how_much(small: Small, missing: str) -> None:
    with pytest.raises(Invalid):
        save(**{key: value for key, value in EXAMPLE.items() if key != missing})


@pytest.mark.parametrize("slug", ["", "Upper", "-a", "a b", "a" * 65, "ü"])
def test_save_budget_refuses_bad_slugs(small: Small, slug: str) -> None:
    with pytest.raises(Invalid):
        save(slug=slug, **EXAMPLE)


def test_save_budget_refuses_unknown_teams_and_agents_alike(small: Small) -> None:
    rest = {key: value for key, value in EXAMPLE.items() if key != "team"}
    for subject in ({"team": "nobody"}, {"agent": "nobody"}):
        with pytest.raises(Missing):
            save(**rest, **subject)


def test_save_budget_whom_it_bounds_stays_for_ever(world: World) -> None:
    save(**EXAMPLE)
    with pytest.raises(Conflict):
        save(team="billing")
    with pytest.raises(Conflict):
        save(organisation=True)


def test_budget_constraints_repeat_whom_a_budget_bounds(small: Small) -> None:
    budget = make_budget()
    for change in ({"agent": small.agent}, {"scope": "organisation"}, {"task": "x"}, {"limit_nanousd": 0}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Budget.objects.filter(pk=budget.pk).update(**change)


@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        ("operator", Forbidden),
        ("owner", Forbidden),
        ("reviewer", Forbidden),
        ("auditor", Forbidden),
        ("stranger", Missing),
    ],
)
def test_save_budget_in_force_needs_the_right_to_publish(world: World, who: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        save(getattr(world, who), **EXAMPLE)
    assert not Budget.objects.exists()


def test_save_budget_with_the_right_to_publish(world: World) -> None:
    grant_publish(team=world.team, user=world.operator, by=world.admin, now=NOW)
    assert save(world.operator, **EXAMPLE) is True
    assert save(world.operator, limit_usd="300.00") is True
    assert save(world.operator, active=False) is True
    rest = {key: value for key, value in EXAMPLE.items() if key != "team"}
    assert save(world.operator, slug="agent", agent="job-applier", **rest) is True
    with pytest.raises(Missing):
        save(world.operator, slug="other", **{**EXAMPLE, "team": "billing"})
    with pytest.raises(Forbidden):
        save(world.operator, slug="all", organisation=True, **rest)
    assert save(world.admin, slug="all", organisation=True, **rest) is True


def test_save_budget_drafts_by_operators_and_owners(world: World) -> None:
    assert save(world.operator, **EXAMPLE, active=False) is True
    rest = {key: value for key, value in EXAMPLE.items() if key != "team"}
    assert save(world.owner, slug="agent", agent="job-applier", active=False, **rest) is True
    assert save(world.owner, slug="agent", limit_usd="9.00") is True
    with pytest.raises(Forbidden):
        save(world.owner, slug="agent", active=True)
    for who in (world.owner, world.reviewer, world.auditor):
        with pytest.raises((Forbidden, Missing)):
            save(who, slug="more", **EXAMPLE, active=False)
    with pytest.raises(Forbidden):
        save(world.operator, slug="all", organisation=True, active=False, **rest)


def test_save_budget_changes_nothing_for_whoever_may_not_see_it(world: World) -> None:
    save(**EXAMPLE)
    with pytest.raises(Missing):
        save(world.stranger, **EXAMPLE)


def test_budgets_visible_to_each_role(world: World) -> None:
    rest = {"per": "day", "limit_usd": "1.00"}
    save(slug="all", organisation=True, **rest)
    save(slug="team", team="talent", **rest)
    save(slug="agent", agent="job-applier", **rest)
    save(slug="other", team="billing", **rest)

    def seen(user: Any) -> set[str]:
        return set(Budget.objects.visible_to(user).values_list("slug", flat=True))

    assert seen(world.admin) == seen(world.auditor) == {"all", "team", "agent", "other"}
    assert seen(world.operator) == {"team", "agent"}
    assert seen(world.owner) == {"agent"}
    assert seen(world.stranger) == {"other"}
    assert seen(world.reviewer) == set()
    world.admin.is_active = False
    assert seen(world.admin) == set()
