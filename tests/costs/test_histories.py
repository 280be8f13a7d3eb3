"""Budgets hold what usage and reservations say, after any history."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costs import budgets
from costs.models import BudgetPeriod, Usage
from costs.operations import rerate
from costs.verification import verify_budgets
from registry.models import Agent
from tests.costs.spending import CENT, make_budget, make_decision, reserve, spend
from tests.world import INSTALLATION, NOW, World

SLUGS = ["all", "team", "agent", "task"]
TASKS = st.sampled_from(["", "screen"])
WHICH = st.integers(0, 5)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(0, 60), TASKS),
        st.tuples(st.just("spend"), WHICH, st.integers(0, 80), TASKS, st.integers(0, 3)),
        st.tuples(st.just("again"), WHICH, WHICH),
        st.tuples(st.just("release"), WHICH),
        st.tuples(st.just("wait"), st.integers(1, 30)),
        st.tuples(st.just("limit"), st.sampled_from(SLUGS), st.integers(20, 200)),
        st.tuples(st.just("switch"), st.sampled_from(SLUGS)),
        st.tuples(st.just("length"), st.sampled_from(SLUGS), st.sampled_from(["day", "week", "month"])),
        st.tuples(st.just("price"), st.sampled_from([None, 0, 3 * CENT])),
    ),
    max_size=14,
)


@dataclass
class History:
    """An agent, what it was decided, and the clock."""

    agent: Agent
    now: datetime = NOW
    decisions: list[UUID] = field(default_factory=list)
    active: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(SLUGS, True))

    def decision(self, number: int) -> UUID | None:
        return self.decisions[number % len(self.decisions)] if self.decisions else None

    def reserve(self, cents: int, task: str) -> None:
        decision = make_decision(self.agent, now=self.now)
        if reserve(self.agent, cents, decision_id=decision, task=task, now=self.now) is None:
            self.decisions.append(decision)
            for row in BudgetPeriod.objects.current(self.now).filter(budget__active=True).select_related("budget"):
                if row.reserved_nanousd and cents and row.budget.slug in {"agent", "team"}:
                    assert row.settled_nanousd + row.reserved_nanousd <= row.budget.limit_nanousd

    def spend(self, which: int, cents: int, task: str, days_ago: int) -> None:
        decision, at = self.decision(which), self.now - timedelta(days=days_ago)
        spend(self.agent, cents, decision_id=decision, task=task, now=self.now, at=at)

    def again(self, row: int, which: int) -> None:
        """Report a known call once more, this time with its action."""
        known = list(Usage.objects.order_by("id"))
        if known and self.decisions:
            event = known[row % len(known)]
            spend(
                self.agent,
                event.output // 1000,
                event_id=event.event_id,
                now=self.now,
                decision_id=self.decision(which),
            )

    def release(self, which: int) -> None:
        if decision := self.decision(which):
            budgets.release(decision_id=decision, by=INSTALLATION, now=self.now)

    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        budgets.expire_reservations(by=INSTALLATION, now=self.now)

    def limit(self, slug: str, cents: int) -> None:
        make_budget(slug, limit_usd=f"{cents / 100:.2f}", now=self.now, **SCOPES[slug])

    def switch(self, slug: str) -> None:
        self.active[slug] = not self.active[slug]
        make_budget(slug, active=self.active[slug], now=self.now, **SCOPES[slug])

    def length(self, slug: str, per: str) -> None:
        make_budget(slug, per=per, now=self.now, **SCOPES[slug])

    def price(self, cost: int | None) -> None:
        """Find the last call priced by another list, and price again."""
        last = Usage.objects.order_by("-id").first()
        if last is None:
            return
        # As the other list would have booked it from the start.
        Usage.objects.filter(pk=last.pk).update(cost_nanousd=cost, price_version="older")
        for slug in SLUGS:
            for active in (False, self.active[slug]):
                make_budget(slug, active=active, now=self.now, **SCOPES[slug])
        rerate(model="gpt-4o", by=INSTALLATION, now=self.now)


SCOPES: dict[str, dict[str, Any]] = {
    "all": {"organisation": True},
    "team": {"team": "talent"},
    "agent": {"agent": "job-applier"},
    "task": {"agent": "job-applier", "task": "screen"},
}


def live_through(world: World, steps: list[Any]) -> None:
    with transaction.atomic():
        for slug in SLUGS:
            make_budget(slug, **SCOPES[slug])
        history = History(world.agent)
        for name, *arguments in steps:
            getattr(history, name)(*arguments)
            found = verify_budgets()
            assert found.exact, (name, arguments, found.differences)
        transaction.set_rollback(True)


@given(STEPS)
@settings(suppress_health_check=list(HealthCheck), max_examples=5)
def test_budgets_hold_what_happened_after_any_history(world: World, steps: list[Any]) -> None:
    live_through(world, steps)


@pytest.mark.long(minutes=3)
@given(STEPS)
@settings(suppress_health_check=list(HealthCheck), max_examples=400)
def test_budgets_hold_what_happened_after_many_histories(world: World, steps: list[Any]) -> None:
    live_through(world, steps)
