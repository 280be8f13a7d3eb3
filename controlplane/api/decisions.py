"""Decisions for people: what was asked, what was answered and why. Payloads stay where they are."""

from __future__ import annotations

from typing import Any

import django_filters as df
from rest_framework import serializers as s

from controlplane.api.filters import Choice, Id, Since, Truth, Until, Word
from controlplane.api.people import DetailView, ListView, reads
from controlplane.api.shapes import ReasonShape
from controlplane.api.simulating import WouldHaveShape
from policies.models import Decision
from policies.states import Effect
from registry.states import Environment


class DecisionRowShape(s.Serializer[Any]):
    """A recorded answer."""

    id = s.UUIDField()
    at = s.DateTimeField(help_text="UTC")
    agent = s.CharField(source="agent.slug")
    team = s.CharField(help_text="slug of the agent's team at that time")
    environment = s.ChoiceField(Environment.choices)
    version = s.IntegerField(allow_null=True, help_text="number of the version that was live")
    verb = s.CharField()
    capability = s.CharField(help_text="empty where the verb is unknown")
    destinations = s.ListField(child=s.CharField(), help_text="normalised, as extracted")
    units = s.IntegerField(help_text="how many things it touches")
    amount_value = s.DecimalField(
        max_digits=30, decimal_places=9, allow_null=True, normalize_output=True, help_text="in units of amount_currency"
    )
    amount_currency = s.CharField(help_text="ISO 4217, or empty")
    data_classes = s.ListField(child=s.CharField())
    effect = s.ChoiceField(Effect.choices)
    reasons = ReasonShape(many=True)
    policy_revision = s.IntegerField(help_text="0: nothing was published")
    retry_at = s.DateTimeField(allow_null=True, help_text="UTC")
    task = s.CharField()
    run_id = s.UUIDField(allow_null=True)
    dry_run = s.BooleanField()


class DecisionShape(DecisionRowShape):
    """A recorded answer with everything but the payload."""

    key_id = s.CharField(help_text="public id of the asking key")
    step = s.CharField()
    purpose = s.CharField(help_text="the agent's own words: untrusted")
    digest = s.CharField(help_text="SHA-256 of the canonical action, hex")
    executor = s.CharField(source="executor.slug", default=None, allow_null=True, help_text="null: the agent itself")
    estimated_cost_nanousd = s.IntegerField(allow_null=True, help_text="nano-USD, as the agent estimated")
    would_have = WouldHaveShape(many=True, help_text="what shadow policies would have said")
    obligations = s.ListField(child=s.DictField())


class DecisionFilters(df.FilterSet):
    """Filters of decisions."""

    agent = Word("agent__slug")
    team = Word("team")
    environment = Choice("environment", Environment)
    verb = Word("verb")
    effect = Choice("effect", Effect)
    task = Word("task")
    run_id = Id("run_id")
    dry_run = Truth("dry_run")
    since = Since(by_id=True)
    until = Until()


@reads("list_decisions")
class DecisionsView(ListView):
    """Decisions of the person's teams, as these were then, and of agents they own."""

    queryset = Decision.objects.select_related("agent")
    serializer_class = DecisionRowShape
    filterset_class = DecisionFilters


@reads("get_decision")
class DecisionView(DetailView):
    """One decision."""

    queryset = Decision.objects.select_related("agent", "executor")
    serializer_class = DecisionShape
