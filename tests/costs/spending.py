"""Spending in tests: reports, budgets and decisions in few words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from audit.ids import new_id
from costs import budgets
from costs.budgets import BudgetRefusal, BudgetSpec
from costs.models import Budget, BudgetPeriod
from costs.money import NANO
from costs.operations import Recorded, UsageReport, record_usage, save_budget
from policies.models import Decision
from registry.models import Agent, Catalogue, Team, User
from tests.world import INSTALLATION, NOW

# 1,000 tokens of output of this model cost one US cent: 10 USD per million.
MODEL = {"provider": "openai", "model": "gpt-4o"}
CENT = NANO // 100


@dataclass(frozen=True, slots=True)
class Small:
    """One agent, and an administrator who owns it: enough for spending, and quickly made."""

    admin: User
    owner: User
    team: Team
    agent: Agent


def cents(number: int) -> dict[str, Any]:
    """Return the model and the output that cost so many cents."""
    return {**MODEL, "output": 1000 * number}


def make_report(agent: Agent, **facts: Any) -> UsageReport:
    """Report a call, of one cent unless `facts` say otherwise."""
    known = {
        "agent_id": agent.pk,
        "team": agent.team.slug,
        "environment": "production",
        "version": 1,
        "at": NOW,
        "event_id": str(new_id()),
        **cents(1),
    }
    return UsageReport(**{**known, **facts})


def spend(agent: Agent, number: int, *, now: datetime = NOW, **facts: Any) -> Recorded:
    """Record one call that costs so many cents."""
    report = make_report(agent, **{"at": now, **cents(number), **facts})
    return record_usage(usages=[report], by=INSTALLATION, now=now)


def make_budget(slug: str = "bound", **values: Any) -> Budget:
    """Save a budget: of the team `talent`, one US dollar a day, unless `values` say otherwise."""
    if not {"organisation", "agent"} & values.keys():
        values.setdefault("team", "talent")
    who, now = values.pop("by", INSTALLATION), values.pop("now", NOW)
    known = {} if Budget.objects.filter(slug=slug).exists() else {"per": "day", "limit_usd": "1.00"}
    save_budget(slug=slug, document={**known, **values}, by=who, now=now)
    return Budget.objects.get(slug=slug)


def make_decision(agent: Agent, *, now: datetime = NOW, executor: Agent | None = None) -> UUID:
    """Write a decision, as the gateway does after it has reserved."""
    decision_id = new_id()
    Decision.objects.create(
        id=decision_id, agent=agent, team=agent.team.slug, key_id="k", environment="production",
        idempotency_key=str(decision_id), body_digest="0" * 64, digest="0" * 64, verb="form.submit", effect="allow",
        policy_revision=0, executor=executor, at=now,
    )  # fmt: skip
    return decision_id


def specs(agent: Agent, task: str = "") -> tuple[BudgetSpec, ...]:
    """Return the budgets over an agent, as the gateway finds them."""
    revision = Catalogue.objects.values_list("revision", flat=True).get(pk=1)
    return budgets.budgets_for(agent_id=agent.pk, team_id=agent.team_id, task=task, revision=revision)


def reserve(
    agent: Agent, estimate: int | None = None, *, decision_id: UUID | None = None, task: str = "", now: datetime = NOW
) -> BudgetRefusal | None:
    """Reserve so many cents for a decision."""
    return budgets.reserve(
        budgets=specs(agent, task),
        decision_id=decision_id or new_id(),
        estimate_nanousd=None if estimate is None else estimate * CENT,
        now=now,
    )


def standing(slug: str = "bound") -> tuple[int, int]:
    """Return what the budget's only period has settled and reserved, in cents."""
    row = BudgetPeriod.objects.get(budget__slug=slug)
    assert row.settled_nanousd % CENT == row.reserved_nanousd % CENT == 0
    return row.settled_nanousd // CENT, row.reserved_nanousd // CENT
