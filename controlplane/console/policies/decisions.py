"""Decisions: the list, and the page that says why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.models import ApprovalRequest, Grant
from controlplane.console.admins import ConsoleAdmin, Empty, page_of
from controlplane.console.lists import ByAgent, ByTeam, Since, agent_column, state_column, time_column
from policies.models import Decision, Revision
from policies.reasons import CATALOGUE


class TeamThen(ByTeam):
    """The team that the agent had then."""

    column = "team"


@dataclass(frozen=True, slots=True)
class Why:
    """One reason: which rule spoke, what it said, who can change it."""

    policy: str
    rule: str
    code: str
    text: str
    changed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPage:
    """Everything that the page shows.

    Attributes:
        lead: the first reason, in a sentence.
        would_have: what shadow policies would have said: policy, effect, sentences.
        task, step, purpose: the agent's own words, untrusted.
        followed: what came of it: approvals and grants, as (kind, state, address, time).
    """

    heading: str
    effect: str
    lead: str
    reasons: tuple[Why, ...]
    would_have: tuple[tuple[str, str, str], ...]
    agent: str
    agent_url: str
    team: str
    environment: str
    version: int | None
    policy_revision: int
    policy_url: str
    verb: str
    capability: str
    destinations: tuple[str, ...]
    units: int
    amount: str
    data_classes: tuple[str, ...]
    digest: str
    key: str
    idempotency_key: str
    task: str
    step: str
    purpose: str
    estimate_nanousd: int | None
    dry_run: bool
    at: datetime
    retry_at: datetime | None
    decision_id: str
    followed: tuple[tuple[str, str, str, datetime], ...]


def read_decision(decision: Decision) -> DecisionPage:
    """Read the page; agent and executor are joined."""
    reasons = tuple(_why(reason) for reason in decision.reasons)
    revision = Revision.objects.filter(number=decision.policy_revision).first()
    amount = (
        f"{decision.amount_value.normalize():f} {decision.amount_currency}" if decision.amount_value is not None else ""
    )
    return DecisionPage(
        heading=f"{decision.agent.slug}: {decision.verb}",
        effect=decision.effect,
        lead=reasons[0].text if reasons else "",
        reasons=reasons,
        would_have=tuple(
            (item["policy"], item["effect"], " ".join(reason["text"] for reason in item["reasons"]))
            for item in decision.would_have
        ),
        agent=decision.agent.slug,
        agent_url=page_of(decision.agent),
        team=decision.team,
        environment=decision.environment,
        version=decision.version,
        policy_revision=decision.policy_revision,
        policy_url=page_of(revision) if revision else "",
        verb=decision.verb,
        capability=decision.capability,
        destinations=tuple(decision.destinations),
        units=decision.units,
        amount=amount,
        data_classes=tuple(decision.data_classes),
        digest=decision.digest,
        key=decision.key_id,
        idempotency_key=decision.idempotency_key,
        task=decision.task,
        step=decision.step,
        purpose=decision.purpose,
        estimate_nanousd=decision.estimated_cost_nanousd,
        dry_run=decision.dry_run,
        at=decision.at,
        retry_at=decision.retry_at,
        decision_id=str(decision.pk),
        followed=_followed(decision),
    )


def _why(reason: dict[str, Any]) -> Why:
    entry = CATALOGUE.get(reason["code"])
    return Why(
        reason["policy"] or "", reason["rule"] or "", reason["code"], reason["text"], entry.changed_by if entry else ""
    )


def _followed(decision: Decision) -> tuple[tuple[str, str, str, datetime], ...]:
    approvals = ApprovalRequest.objects.filter(decision=decision).order_by("id")
    grants = Grant.objects.filter(decision=decision).order_by("id")
    return (
        *(("approval", row.state, page_of(row), row.created_at) for row in approvals),
        *(("grant", row.state, page_of(row), row.issued_at) for row in grants),
    )


class DecisionPages(ConsoleAdmin):
    """Decisions."""

    related = ("agent", "executor")
    page_template = "console/policies/decision.html"
    empty = Empty("No decisions yet.", "Each question that an agent asks is answered and kept here, with its reasons.")
    list_display = ("asked", "answer", "of_agent", "why", "units", "environment", "at_time")
    list_filter = ("effect", ByAgent, TeamThen, Since, "environment", "dry_run")
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
        return read_decision(row)
