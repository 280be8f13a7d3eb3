"""What a promotion rests on: how the version did where it ran already."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

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
    runs = Run.objects.filter(version=version, started_at__gte=now - WINDOW).order_by()
    counted = runs.aggregate(n=Count("pk"), failed=Count("pk", filter=Q(status__in=sorted(FAILED))))
    usage = Usage.objects.filter(agent=version.agent, version=version.number, at__gte=now - WINDOW).order_by()
    spent = usage.aggregate(
        cost=Total("cost_nanousd"), unpriced=Count("pk", filter=Q(cost_nanousd=None)), n=Count("pk")
    )
    asked = ApprovalRequest.objects.filter(
        agent=version.agent, decision__version=version.number, created_at__gte=now - WINDOW
    ).order_by()
    held = asked.aggregate(
        decided=Count("pk", filter=Q(state__in=(ApprovalState.APPROVED, ApprovalState.REJECTED))),
        overridden=Count(
            "pk", filter=Q(state=ApprovalState.REJECTED) | Q(state=ApprovalState.APPROVED, revision__gt=1)
        ),
    )
    priced = spent["n"] and not spent["unpriced"] and counted["n"]
    return Evidence(
        runs=counted["n"],
        failures=counted["failed"],
        cost_per_task_nanousd=(spent["cost"] or 0) // counted["n"] if priced else None,
        decided=held["decided"],
        overridden=held["overridden"],
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
