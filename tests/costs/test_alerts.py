"""Thresholds, and what happens at the limit."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from audit.models import Entry
from costs.models import Budget, BudgetAlert
from costs.operations import pause_spent
from costs.operations.topping import top_up
from registry.models import Agent
from registry.operations import pause_agent, resume_agent, retire_agent
from registry.states import AgentState
from tests.costs.spending import CENT, Small, make_budget, make_decision, reserve, spend
from tests.world import INSTALLATION, NOW, World, make_agent

pytestmark = pytest.mark.slow


def thresholds() -> list[int]:
    return list(BudgetAlert.objects.order_by("id").values_list("threshold", flat=True))


def state(agent: Agent) -> str:
    return Agent.objects.get(pk=agent.pk).state


def test_threshold_alerts_once_per_period(small: Small) -> None:
    make_budget()
    spend(small.agent, 49)
    assert thresholds() == []
    spend(small.agent, 1)
    assert thresholds() == [50]
    spend(small.agent, 10)
    assert thresholds() == [50]
    assert [alert.threshold for alert in spend(small.agent, 60).alerts] == [80, 100]
    spend(small.agent, 60)
    assert thresholds() == [50, 80, 100]
    assert spend(small.agent, 50, now=NOW + timedelta(days=1)).alerts[0].threshold == 50


def test_threshold_leaves_an_entry_that_says_what_applies(small: Small) -> None:
    make_budget(agent="job-applier")
    spend(small.agent, 100)
    entries = Entry.objects.filter(kind="budget.threshold").order_by("id")
    assert [(entry.outcome, json.loads(entry.details)["threshold"]) for entry in entries] == [
        ("alert", 50),
        ("alert", 80),
        ("deny", 100),
    ]
    last = entries[2]
    assert (last.object_id, last.team, last.agent) == ("bound", "talent", "job-applier")
    assert json.loads(last.details)["settled_usd"] == "1.00"
    assert BudgetAlert.objects.get(threshold=100).settled_nanousd == 100 * CENT


def test_threshold_is_of_spend_and_not_of_what_is_set_aside(small: Small) -> None:
    make_budget()
    reserve(small.agent, 100)
    assert thresholds() == []


def test_threshold_passed_by_lowering_the_limit(small: Small) -> None:
    make_budget()
    spend(small.agent, 40)
    make_budget(limit_usd="0.50")
    assert thresholds() == [50, 80]


def test_thresholds_of_every_level_alert(small: Small) -> None:
    make_budget("all", organisation=True, alert_at=[100])
    make_budget("agent", agent="job-applier", alert_at=[100])
    spend(small.agent, 100)
    assert set(BudgetAlert.objects.values_list("budget_period__budget__slug", flat=True)) == {"all", "agent"}


def test_pausing_budget_pauses_after_the_commit(world: World, django_capture_on_commit_callbacks: Any) -> None:
    make_budget(at_limit="pause", alert_at=[])
    other = make_agent("mailer", owner=world.owner, team=world.team, by=world.admin)
    foreign = make_agent("biller", owner=world.stranger, team=world.other, by=world.admin)
    with django_capture_on_commit_callbacks(execute=True):
        spend(world.agent, 99)
    assert state(world.agent) == AgentState.ACTIVE
    with django_capture_on_commit_callbacks(execute=True):
        spend(world.agent, 1)
    assert state(world.agent) == state(other) == AgentState.PAUSED
    assert state(foreign) == AgentState.ACTIVE
    assert not BudgetAlert.objects.filter(pausing=True).exists()
    entry = Entry.objects.get(kind="agent.paused", object_id="job-applier")
    assert (entry.actor_type, entry.actor_id) == ("system", "budgets")
    assert "bound" in Agent.objects.get(pk=world.agent.pk).state_reason


def test_pausing_budget_of_an_agent_pauses_that_agent(small: Small) -> None:
    make_budget(agent="job-applier", at_limit="pause")
    other = make_agent("mailer", owner=small.owner, team=small.team, by=small.admin)
    spend(small.agent, 100)
    assert pause_spent(now=NOW) == 1
    assert (state(small.agent), state(other)) == (AgentState.PAUSED, AgentState.ACTIVE)


def test_pausing_budget_of_the_organisation_pauses_everybody(world: World) -> None:
    make_budget(organisation=True, at_limit="pause")
    foreign = make_agent("biller", owner=world.stranger, team=world.other, by=world.admin)
    spend(world.agent, 100)
    assert pause_spent(now=NOW) == 2
    assert state(foreign) == AgentState.PAUSED


def test_pausing_is_made_up_for_by_the_sweep_once(small: Small) -> None:
    make_budget(at_limit="pause")
    spend(small.agent, 100)
    assert pause_spent(now=NOW) == 1
    resume_agent(agent=Agent.objects.get(pk=small.agent.pk), by=small.admin, now=NOW)
    spend(small.agent, 10)
    assert pause_spent(now=NOW) == 0
    assert state(small.agent) == AgentState.ACTIVE


def test_pausing_leaves_agents_that_somebody_paused_or_retired(small: Small) -> None:
    make_budget(at_limit="pause")
    retired = make_agent("mailer", owner=small.owner, team=small.team, by=small.admin)
    retire_agent(agent=retired, reason="old", by=small.admin, now=NOW)
    pause_agent(agent=small.agent, reason="by hand", by=small.admin, now=NOW)
    spend(small.agent, 100)
    assert pause_spent(now=NOW) == 0
    assert Agent.objects.get(pk=small.agent.pk).state_reason == "by hand"


def test_pausing_is_off_where_the_limit_was_raised_in_time(small: Small) -> None:
    make_budget(at_limit="pause")
    spend(small.agent, 100)
    make_budget(limit_usd="2.00")
    assert pause_spent(now=NOW) == 0
    assert pause_spent(now=NOW + timedelta(days=1)) == 0
    assert not BudgetAlert.objects.filter(pausing=True).exists()


def test_limit_that_was_raised_pauses_again_when_it_is_reached(
    small: Small, django_capture_on_commit_callbacks: Any
) -> None:
    make_budget(at_limit="pause")
    counted = [
        (1, lambda: None),
        (2, lambda: add(small, until=NOW + timedelta(hours=9))),
        (3, lambda: make_budget(limit_usd="2.00")),
    ]
    for times, raise_it in counted:
        raise_it()
        if times > 1:
            resume_agent(agent=Agent.objects.get(pk=small.agent.pk), by=small.admin, now=NOW)
        for cents, paused in ((99, times - 1), (1, times), (0, times)):
            with django_capture_on_commit_callbacks(execute=True):
                spend(small.agent, cents)
            assert Entry.objects.filter(kind="agent.paused").count() == paused
            assert pause_spent(now=NOW) == 0
    resume_agent(agent=Agent.objects.get(pk=small.agent.pk), by=small.admin, now=NOW)
    spend(small.agent, 10)
    assert pause_spent(now=NOW) == 0
    assert BudgetAlert.objects.filter(threshold=100).count() == 1


def test_budget_whose_top_up_ends_is_reached_again(small: Small) -> None:
    make_budget(at_limit="pause")
    spend(small.agent, 100)
    assert pause_spent(now=NOW) == 1
    until = NOW + timedelta(hours=1)
    add(small, until=until)
    resume_agent(agent=Agent.objects.get(pk=small.agent.pk), by=small.admin, now=NOW)
    assert pause_spent(now=until - timedelta(seconds=1)) == 0
    assert [pause_spent(now=until) for _ in range(2)] == [1, 0]


def add(small: Small, *, until: datetime) -> None:
    top_up(budget=Budget.objects.get(), amount_usd="1.00", until=until, reason="more", by=small.admin, now=NOW)


def test_pausing_is_not_for_a_period_that_is_over(small: Small) -> None:
    make_budget(at_limit="pause")
    spend(small.agent, 100, at=NOW - timedelta(days=1))
    assert 100 in thresholds()
    assert pause_spent(now=NOW) == 0
    assert state(small.agent) == AgentState.ACTIVE
    assert not BudgetAlert.objects.filter(pausing=True).exists()


def test_settling_a_reservation_alerts_too(small: Small) -> None:
    make_budget(alert_at=[80])
    decision = make_decision(small.agent)
    reserve(small.agent, 30, decision_id=decision)
    spend(small.agent, 90, decision_id=decision)
    assert thresholds() == [80]
    assert INSTALLATION.actor.id == Entry.objects.get(kind="budget.threshold").actor_id
