"""Decisions: the list, and the page that says why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from controlplane.console.admins import ConsoleAdmin, Empty
from controlplane.console.lists import ByAgent, ByTeam, Since, agent_column, state_column, time_column
from controlplane.console.people import viewer
from controlplane.console.policies.overriding import MarkOverride
from controlplane.console.policies.why import DecisionPage, read_decision
from policies.models import Decision
from policies.reasons import CATALOGUE
from policies.snapshots import published
from registry.models import Verb

_MOST_VERBS: Final = 200
_MEMO: Final = "_console_policies_in_force"


class TeamThen(ByTeam):
    """The team that the agent had then."""

    column = "team"


class _Spoke(admin.SimpleListFilter):
    """What stands in a decision's reasons: JSON text, which both engines write alike."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep decisions in whose reasons the value stands."""
        value = self.value()
        if not value:
            return queryset
        text = f'"{self.parameter_name}": "{value}"'
        spoke: QuerySet[Any] = queryset.annotate(spoke=Cast("reasons", TextField()))
        return spoke.filter(spoke__contains=text)


class ByPolicy(_Spoke):
    """The policy that spoke."""

    title = "policy"
    parameter_name = "policy"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the policies in force, and the one that is named."""
        return _with_chosen(self, sorted(_in_force(request)))


class ByRule(_Spoke):
    """The rule that spoke; of two policies' rules with one name, the policy's own filter tells which."""

    title = "rule"
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the rules in force, and the one that is named."""
        rules = (rule for policy in _in_force(request).values() for rule in policy["rules"])
        return _with_chosen(self, sorted({body["name"] for rule in rules for body in rule.values()}))


class ByVerb(admin.SimpleListFilter):
    """The verb that was asked for, of the catalogue."""

    title = "verb"
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the catalogue, and the one that is named: agents ask for verbs that nobody knows."""
        names = Verb.objects.visible_to(viewer(request)).order_by("name").values_list("name", flat=True)
        return _with_chosen(self, names[:_MOST_VERBS])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep decisions about the verb."""
        return queryset.filter(verb=self.value()) if self.value() else queryset


def _with_chosen(spec: admin.SimpleListFilter, words: Iterable[str]) -> list[tuple[str, str]]:
    chosen = spec.used_parameters.get(str(spec.parameter_name))
    return [(word, word) for word in dict.fromkeys([*words, *([str(chosen)] if chosen else [])])]


def _in_force(request: HttpRequest) -> Mapping[str, Any]:
    """Return the published policies' documents by slug, read once for a request."""
    found: Mapping[str, Any] | None = getattr(request, _MEMO, None)
    if found is None:
        live = published()
        found = live.document if live else {}
        setattr(request, _MEMO, found)
    return found


class ByCode(_Spoke):
    """The reason's code."""

    title = "reason"
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the catalogue of reasons."""
        return [(code, code.replace("_", " ")) for code in CATALOGUE]


class DecisionPages(ConsoleAdmin):
    """Decisions."""

    related = ("agent", "executor")
    page_template = "console/policies/decision.html"
    dialogs = {"override": MarkOverride}
    empty = Empty("No decisions yet.", "Each question that an agent asks is answered and kept here, with its reasons.")
    list_display = ("asked", "answer", "of_agent", "why", "units", "environment", "at_time")
    list_filter = (
        "effect", ByVerb, ByAgent, TeamThen, ByPolicy, ByRule, ByCode, Since, "environment", "dry_run",
    )  # fmt: skip
    search_fields = ("verb", "agent__slug", "task", "idempotency_key")
    search_help_text = "Search verb, agent, task, idempotency key"

    of_agent = agent_column()
    answer = state_column("effect", "effect")
    at_time = time_column("at", "when")

    @admin.display(description="asked to", ordering="verb")
    def asked(self, row: Decision) -> SafeString | str:
        """Name the verb; a dry run says so."""
        return format_html('{} <span class="cp-note">would …, dry run</span>', row.verb) if row.dry_run else row.verb

    @admin.display(description="why")
    def why(self, row: Decision) -> str:
        """Write the first reason."""
        return row.reasons[0]["text"] if row.reasons else ""

    def page(self, request: HttpRequest, row: Decision) -> DecisionPage:
        """Read the decision page."""
        return read_decision(row, user=viewer(request), now=timezone.now(), again="again" in request.GET)
