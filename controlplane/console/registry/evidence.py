"""What a promotion rests on: how the version did where it ran already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Q

from approvals.models import ApprovalRequest
from approvals.states import ApprovalState
from controlplane.console import formats
from costs.models import Usage
from costs.sums import Total
from registry.models import AgentVersion
from registry.operations import Evidence
from runs.models import Run
from runs.states import FAILED

WINDOW: Final = timedelta(days=30)


def read_evidence(version: AgentVersion, *, now: datetime) -> Evidence:
    """Collect the last 30 days of a version: its runs, their cost, and what people made of what it asked."""
    return read_evidence_of([version], now=now)[version.number]


def read_evidence_of(versions: Iterable[AgentVersion], *, now: datetime) -> dict[int, Evidence]:
    """Collect the same of several versions of one agent, by their numbers; in three queries, however many there are."""
    versions, since = list(versions), now - WINDOW
    agents = {version.agent_id for version in versions}
    runs = Run.objects.filter(version__in=versions, started_at__gte=since).order_by().values("version__number")
    counted = {
        row["version__number"]: row
        for row in runs.annotate(n=Count("pk"), failed=Count("pk", filter=Q(status__in=sorted(FAILED))))
    }
    numbers = [version.number for version in versions]
    usage = Usage.objects.filter(agent__in=agents, version__in=numbers, at__gte=since).order_by().values("version")
    spent = {
        row["version"]: row
        for row in usage.annotate(
            cost=Total("cost_nanousd"), unpriced=Count("pk", filter=Q(cost_nanousd=None)), n=Count("pk")
        )
    }
    asked = ApprovalRequest.objects.filter(agent__in=agents, decision__version__in=numbers, created_at__gte=since)
    held = {
        row["decision__version"]: row
        for row in asked.order_by()
        .values("decision__version")
        .annotate(
            decided=Count("pk", filter=Q(state__in=(ApprovalState.APPROVED, ApprovalState.REJECTED))),
            overridden=Count(
                "pk", filter=Q(state=ApprovalState.REJECTED) | Q(state=ApprovalState.APPROVED, revision__gt=1)
            ),
        )
    }
    return {
        number: _evidence(counted.get(number, {}), spent.get(number, {}), held.get(number, {})) for number in numbers
    }


def _evidence(counted: Mapping[str, Any], spent: Mapping[str, Any], held: Mapping[str, Any]) -> Evidence:
    runs = counted.get("n", 0)
    priced = spent.get("n") and not spent["unpriced"] and runs
    return Evidence(
        runs=runs,
        failures=counted.get("failed", 0),
        cost_per_task_nanousd=(spent["cost"] or 0) // runs if priced else None,
        decided=held.get("decided", 0),
        overridden=held.get("overridden", 0),
    )


def in_words(evidence: Evidence) -> tuple[str, ...]:
    """Say what was found, each number with what it is of."""
    if not evidence.runs:
        return ("It has not run in the last 30 days: nothing is known of how it does.",)
    cost = evidence.cost_per_task_nanousd
    return (
        f"In the last 30 days it failed in {formats.rate(evidence.failures, evidence.runs)} runs.",
        f"A run cost {formats.money(cost)} on average." if cost is not None else "What a run costs is not known.",
        f"People rejected or edited {evidence.overridden} of {evidence.decided} held actions.",
    )
