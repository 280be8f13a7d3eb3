"""Reserving money for decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from audit.ids import new_id
from audit.models import Entry
from costs import budgets
from costs.models import BudgetPeriod, Reservation
from costs.money import NANO
from costs.verification import verify_budgets
from tests.costs.spending import CENT, Small, make_budget, make_decision, reserve, specs, standing
from tests.world import INSTALLATION, NOW, World, make_agent


def test_reserve_takes_the_estimate(small: Small) -> None:
    make_budget()
    assert reserve(small.agent, 30) is None
    assert standing() == (0, 30)


def test_reserve_without_estimate_takes_what_the_budget_says(small: Small) -> None:
    make_budget(reserve_usd="0.07")
    assert reserve(small.agent) is None
    assert standing() == (0, 7)


def test_reserve_admits_up_to_the_limit_and_not_a_nano_more(small: Small) -> None:
    make_budget()
    assert reserve(small.agent, 99) is None
    refusal = budgets.reserve(budgets=specs(small.agent), decision_id=new_id(), estimate_nanousd=CENT + 1, now=NOW)
    assert refusal is not None
    assert reserve(small.agent, 1) is None
    assert standing() == (0, 100)


def test_reserve_refusal_says_when_the_period_ends(small: Small) -> None:
    make_budget(zone="Europe/Berlin", limit_usd="0.10")
    refusal = reserve(small.agent, 11)
    assert refusal is not None
    assert (refusal.budget, refusal.effect) == ("bound", "deny")
    assert refusal.retry_at == datetime(2026, 11, 23, 23, tzinfo=UTC)
    assert "0.10 USD per day" in refusal.text


@pytest.mark.parametrize(("at_limit", "effect"), [("deny", "deny"), ("pause", "deny"), ("throttle", "throttle")])
def test_reserve_refuses_by_what_the_budget_does_at_its_limit(small: Small, at_limit: str, effect: str) -> None:
    make_budget(at_limit=at_limit)
    refusal = reserve(small.agent, 101)
    assert refusal is not None
    assert refusal.effect == effect


def test_reserve_leaves_alerting_budgets_outside(small: Small) -> None:
    make_budget(at_limit="alert")
    make_budget("all", organisation=True)
    assert reserve(small.agent, 1000) is None
    assert not Reservation.objects.exists()


def test_reserve_takes_an_organisation_budget_that_was_told_to_deny(small: Small) -> None:
    make_budget("all", organisation=True, at_limit="deny")
    assert reserve(small.agent, 60) is None
    assert reserve(small.agent, 60) is not None
    assert standing("all") == (0, 60)


def test_reserve_refused_above_leaves_nothing_below(small: Small) -> None:
    make_budget("task", agent="job-applier", task="screen", limit_usd="9")
    make_budget("agent", agent="job-applier", limit_usd="9")
    make_budget("team", limit_usd="0.50")
    refusal = reserve(small.agent, 51, task="screen")
    assert refusal is not None
    assert refusal.budget == "team"
    assert standing("task") == standing("agent") == standing("team") == (0, 0)
    assert not Reservation.objects.exists()
    assert reserve(small.agent, 50, task="screen") is None
    assert standing("task") == standing("agent") == standing("team") == (0, 50)


def test_reserve_names_the_leaf_that_refuses_first(small: Small) -> None:
    make_budget("team", limit_usd="0.50")
    make_budget("agent", agent="job-applier", limit_usd="0.50")
    refusal = reserve(small.agent, 51)
    assert refusal is not None
    assert refusal.budget == "agent"


def test_reserve_counts_every_period_of_its_own(small: Small) -> None:
    make_budget()
    assert reserve(small.agent, 100) is None
    assert reserve(small.agent, 1) is not None
    assert reserve(small.agent, 100, now=NOW + timedelta(days=1)) is None
    assert BudgetPeriod.objects.count() == 2


def test_reserve_twice_for_one_decision_is_refused_by_the_database(small: Small) -> None:
    make_budget()
    decision = new_id()
    assert reserve(small.agent, 1, decision_id=decision) is None
    with pytest.raises(IntegrityError), transaction.atomic():
        reserve(small.agent, 1, decision_id=decision)


@pytest.mark.parametrize("estimate", [NANO * NANO, 2**63, 2**80])
def test_reserve_refuses_estimates_beyond_all_reason(small: Small, estimate: int) -> None:
    make_budget(limit_usd="999999999")
    known = specs(small.agent)
    refusal = budgets.reserve(budgets=known, decision_id=new_id(), estimate_nanousd=estimate, now=NOW)
    assert refusal is not None


def test_reserve_refuses_negative_estimates(small: Small) -> None:
    with pytest.raises(ValueError, match="negative"):
        budgets.reserve(budgets=(), decision_id=new_id(), estimate_nanousd=-1, now=NOW)


def test_budgets_for_finds_what_bounds_an_agent_leaf_to_root(world: World) -> None:
    make_budget("all", organisation=True)
    make_budget("team")
    make_budget("other", team="billing")
    make_budget("agent", agent="job-applier")
    make_budget("task", agent="job-applier", task="screen")
    make_budget("elsewhere", agent="job-applier", task="mail")
    make_budget("draft", active=False)
    assert [spec.slug for spec in specs(world.agent, "screen")] == ["task", "agent", "team", "all"]
    assert [spec.slug for spec in specs(world.agent)] == ["agent", "team", "all"]
    foreign = make_agent("mailer", owner=world.stranger, team=world.other, by=world.admin)
    assert [spec.slug for spec in specs(foreign, "screen")] == ["other", "all"]


def test_budgets_for_sees_a_change_at_once(small: Small) -> None:
    make_budget()
    assert reserve(small.agent, 100) is None
    assert reserve(small.agent, 100) is not None
    make_budget(limit_usd="2.00")
    assert reserve(small.agent, 100) is None
    make_budget(active=False)
    assert specs(small.agent) == ()


def test_release_gives_back_once(small: Small) -> None:
    make_budget()
    make_budget("agent", agent="job-applier")
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    reserve(small.agent, 20)
    assert budgets.release(decision_id=decision, by=INSTALLATION, now=NOW) == 2
    assert budgets.release(decision_id=decision, by=INSTALLATION, now=NOW) == 0
    assert standing() == standing("agent") == (0, 20)
    entry = Entry.objects.get(kind="budget.released")
    assert entry.object_id == str(decision)
    assert (entry.agent, entry.team) == (small.agent.slug, small.agent.team.slug)


def test_release_of_an_unknown_decision_changes_nothing(small: Small) -> None:
    assert budgets.release(decision_id=new_id(), by=INSTALLATION, now=NOW) == 0
    assert not Entry.objects.filter(kind="budget.released").exists()


def test_expire_reservations_gives_back_after_a_day_of_silence(small: Small) -> None:
    make_budget(per="month")
    for hours in (0, 1, 2):
        reserve(small.agent, 10, now=NOW + timedelta(hours=hours))
    almost, after = NOW + timedelta(hours=24, seconds=-1), NOW + timedelta(hours=25)
    assert budgets.expire_reservations(by=INSTALLATION, now=almost) == 0
    assert standing() == (0, 30)
    assert budgets.expire_reservations(by=INSTALLATION, now=after, limit=1) == 1
    assert budgets.expire_reservations(by=INSTALLATION, now=after) == 1
    assert budgets.expire_reservations(by=INSTALLATION, now=after) == 0
    assert standing() == (0, 10)
    assert verify_budgets().exact
    assert Entry.objects.filter(kind="budget.reservations_expired").count() == 2
