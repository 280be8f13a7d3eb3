"""Calls that are known already, so that each counts once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.db.models import Q

from costs.models import Usage
from costs.reports import UsageReport

_COMPARED = ("provider", "model", "input_uncached", "cache_read", "cache_write", "output", "reasoning")


class KnownCalls:
    """Calls by the reporter's and by the provider's id, within their agent."""

    def __init__(self) -> None:
        self._events: dict[tuple[int, str], Usage] = {}
        self._responses: dict[tuple[int, str], Usage] = {}

    def add(self, row: Usage) -> None:
        """Remember a call."""
        self._events[row.agent_id, row.event_id] = row
        if row.response_id:
            self._responses[row.agent_id, row.response_id] = row

    def find(self, report: UsageReport) -> Usage | None:
        """Return the row that stands for the reported call, None where it is new."""
        row = self._events.get((report.agent_id, report.event_id))
        if row is None and report.response_id:
            row = self._responses.get((report.agent_id, report.response_id))
        return row


def known_calls(reports: Sequence[UsageReport]) -> KnownCalls:
    """Read which of the reported calls are known; the caller holds the agents' locks."""
    by_agent: defaultdict[int, list[UsageReport]] = defaultdict(list)
    for report in reports:
        by_agent[report.agent_id].append(report)
    known = KnownCalls()
    for agent_id, own in by_agent.items():
        same = Q(event_id__in={report.event_id for report in own})
        responses = {report.response_id for report in own if report.response_id}
        if responses:
            same |= Q(response_id__in=responses)
        for row in Usage.objects.filter(same, agent=agent_id):
            known.add(row)
    return known


def contradicts(report: UsageReport, row: Usage) -> bool:
    """Say whether a report uses a known event id for another call.

    Two instruments may count one answer in different detail, each under its own event id: then
    the first report stays, without contradiction.
    """
    if report.event_id != row.event_id:
        return False
    return any(getattr(report, name) != getattr(row, name) for name in _COMPARED)
