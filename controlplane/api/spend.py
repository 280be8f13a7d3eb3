"""Usage and budgets for people. All money is integer nano-USD."""

from __future__ import annotations

from typing import Any

import django_filters as df
from rest_framework import serializers as s
from rest_framework.request import Request

from audit import sql
from controlplane.api.filters import Choice, Id, Since, Truth, Until, Word
from controlplane.api.people import DetailView, ListView, reads
from costs.models import Budget, BudgetPeriod, Usage
from costs.periods import period_at
from costs.states import AtLimit, Per, Scope
from registry.states import Environment


class UsageShape(s.Serializer[Any]):
    """One model call. The token counts are disjoint, but for reasoning, which is a part of output."""

    id = s.UUIDField()
    at = s.DateTimeField(help_text="UTC; when the call was made, by its reporter")
    received_at = s.DateTimeField(help_text="UTC")
    agent = s.CharField(source="agent.slug")
    team = s.CharField(help_text="slug of the agent's team at that time")
    environment = s.CharField()
    version = s.IntegerField(allow_null=True, help_text="number of the agent's version")
    task = s.CharField()
    provider = s.CharField()
    model = s.CharField()
    run_id = s.UUIDField(allow_null=True)
    step_id = s.UUIDField(allow_null=True)
    action_id = s.UUIDField(source="decision_id", allow_null=True, help_text="the action that had leave for this call")
    input_uncached = s.IntegerField(help_text="tokens")
    cache_read = s.IntegerField(help_text="tokens")
    cache_write = s.IntegerField(help_text="tokens")
    output = s.IntegerField(help_text="tokens, reasoning included")
    reasoning = s.IntegerField(help_text="tokens; a part of output")
    cost_nanousd = s.IntegerField(allow_null=True, help_text="nano-USD; null: unpriced, never zero")
    price_version = s.CharField(help_text="the price list that priced it")
    late = s.BooleanField(help_text="received too late for its own hour: accounted by an adjustment")
    shadow = s.BooleanField(help_text="spent by a shadow version: kept apart")


class PeriodShape(s.Serializer[Any]):
    """A budget's present period."""

    starts_at = s.DateTimeField(help_text="UTC")
    ends_at = s.DateTimeField(help_text="UTC, exclusive")
    settled_nanousd = s.IntegerField(help_text="nano-USD spent, by usage")
    reserved_nanousd = s.IntegerField(help_text="nano-USD set aside for actions under way")
    overrun = s.BooleanField(help_text="spent and set aside have passed the limit")


class BudgetShape(s.Serializer[Any]):
    """A bound on what a part of the organisation spends in each period."""

    slug = s.CharField()
    scope = s.ChoiceField(Scope.choices)
    team = s.CharField(source="team.slug", default=None, allow_null=True)
    agent = s.CharField(source="agent.slug", default=None, allow_null=True)
    task = s.CharField()
    per = s.ChoiceField(Per.choices)
    zone = s.CharField(help_text="IANA zone in which the periods begin")
    limit_nanousd = s.IntegerField(help_text="nano-USD per period")
    reserve_nanousd = s.IntegerField(help_text="nano-USD set aside for an action without an estimate")
    alert_at = s.ListField(child=s.IntegerField(), help_text="percent of the limit, ascending")
    at_limit = s.ChoiceField(AtLimit.choices)
    active = s.BooleanField(help_text="false: a draft, without effect")
    period = PeriodShape(help_text="the present one")


class UsageFilters(df.FilterSet):
    """Filters of usage."""

    agent = Word("agent__slug")
    team = Word("team")
    environment = Choice("environment", Environment)
    task = Word("task")
    provider = Word("provider")
    model = Word("model")
    run_id = Id("run_id")
    step_id = Id("step_id")
    action_id = Id("decision_id")
    unpriced = Truth("cost_nanousd", lookup="isnull")
    late = Truth("late")
    shadow = Truth("shadow")
    since = Since()
    until = Until()


class BudgetFilters(df.FilterSet):
    """Filters of budgets."""

    scope = Choice("scope", Scope)
    team = Word("team__slug")
    agent = Word("agent__slug")
    per = Choice("per", Per)
    at_limit = Choice("at_limit", AtLimit)
    active = Truth("active")


@reads("list_usage")
class UsagesView(ListView):
    """Model calls of the person's teams, as these were then, and of agents they own."""

    queryset = Usage.objects.select_related("agent")
    serializer_class = UsageShape
    filterset_class = UsageFilters
    orderings = ("-id", "-at")


@reads("get_usage")
class UsageView(DetailView):
    """One model call."""

    queryset = Usage.objects.select_related("agent")
    serializer_class = UsageShape


@reads("list_budgets")
class BudgetsView(ListView):
    """Budgets of the person's teams and agents, each with its present period."""

    queryset = Budget.objects.select_related("team", "agent")
    serializer_class = BudgetShape
    filterset_class = BudgetFilters
    orderings = ("slug",)

    def paginate_queryset(self, queryset: Any) -> list[Any] | None:
        """Return the page, each budget with its present period."""
        page = super().paginate_queryset(queryset)
        return with_periods(list(page or []))


@reads("get_budget")
class BudgetView(DetailView):
    """One budget with its present period."""

    queryset = Budget.objects.select_related("team", "agent")
    serializer_class = BudgetShape

    def find(self, request: Request, **path: Any) -> Any:
        """Return the budget.

        Raises:
            Missing: there is none, or it is not theirs to see.
        """
        return with_periods([super().find(request, **path)])[0]


def with_periods(budgets: list[Budget]) -> list[Any]:
    """Join budgets with their present periods, in one query; what no usage or action has opened yet is empty."""
    now = sql.now()
    rows = BudgetPeriod.objects.current(now).filter(budget__in=budgets)
    opened = {(row.budget_id, row.starts_at): row for row in rows}
    return [_joined(budget, opened, period_at(budget.per, budget.zone, now)) for budget in budgets]


def _joined(budget: Budget, opened: dict[Any, BudgetPeriod], period: Any) -> Any:
    empty = BudgetPeriod(budget=budget, starts_at=period.start, ends_at=period.end)
    budget.period = opened.get((budget.pk, period.start), empty)  # type: ignore[attr-defined]  # for its shape
    return budget
