"""Budgets as documents (`semantics 11`): from and to the form that `apply` reads and `export` writes."""

from __future__ import annotations

from typing import Any, TypedDict, cast

from costs.models import Budget
from costs.money import format_usd
from costs.states import AtLimit, Per, Scope
from registry.documents import Problems, Section


class BudgetFields(TypedDict, total=False):
    """What a document says of a budget; what it leaves out is absent."""

    organisation: bool
    team: str
    agent: str
    task: str
    per: str
    zone: str
    limit_usd: str
    reserve_usd: str
    alert_at: list[int]
    at_limit: str
    active: bool


def budget_fields(raw: object, *, problems: Problems, pointer: str = "") -> BudgetFields:
    """Read one budget of a document: its keys and their types. Values are checked when it is saved.

    Args:
        raw: what stands under the budget's slug.
        problems: where defects go; the caller ends the reading.
        pointer: where it stands.
    """
    section = Section(problems, pointer, raw)
    fields = {
        "team": section.text("team"),
        "agent": section.text("agent"),
        "task": section.text("task"),
        "per": section.choice("per", Per.values),
        "zone": section.text("zone"),
        "limit_usd": section.text("limit_usd"),
        "reserve_usd": section.text("reserve_usd"),
        "at_limit": section.choice("at_limit", AtLimit.values),
        "organisation": _switch(section, "organisation"),
        "active": _switch(section, "active"),
        "alert_at": _thresholds(section),
    }
    section.close()
    return cast("BudgetFields", {key: value for key, value in fields.items() if value is not None})


def budget_document(budget: Budget) -> dict[str, Any]:
    """Return a budget in the form that `budget_fields` reads: saving it again changes nothing."""
    document: dict[str, Any] = {}
    if budget.scope == Scope.ORGANISATION:
        document["organisation"] = True
    elif budget.team:
        document["team"] = budget.team.slug
    elif budget.agent:
        document["agent"] = budget.agent.slug
        if budget.task:
            document["task"] = budget.task
    document |= {
        "per": str(budget.per),
        "zone": budget.zone,
        "limit_usd": format_usd(budget.limit_nanousd),
        "reserve_usd": format_usd(budget.reserve_nanousd),
        "alert_at": list(budget.alert_at),
        "at_limit": str(budget.at_limit),
    }
    if not budget.active:
        document["active"] = False
    return document


def budget_documents() -> dict[str, dict[str, Any]]:
    """Return every budget's document by its slug, in the order of the slugs."""
    rows = Budget.objects.select_related("team", "agent").order_by("slug")
    return {budget.slug: budget_document(budget) for budget in rows}


def _switch(section: Section, key: str) -> bool | None:
    value = section.take(key)
    if value is None or isinstance(value, bool):
        return value
    section.add(key, "wrong_type", "Say true or false.")
    return None


def _thresholds(section: Section) -> list[int] | None:
    if not section.has("alert_at"):
        section.take("alert_at")
        return None
    found = []
    for index, item in enumerate(section.items("alert_at")):
        if isinstance(item, int) and not isinstance(item, bool):
            found.append(item)
        else:
            section.problems.add(
                f"{section.at('alert_at')}/{index}", "wrong_type", "Expected a whole number of percent."
            )
    return found
