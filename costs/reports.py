"""What a caller reports about one model call, and what is wrong with it (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from audit import canonical
from audit.refusals import Invalid, Problem
from costs.prices import Tokens
from runs.preparing import MAX_TOKENS

# Client clocks run ahead; spend of the future would count into periods that have not begun.
CLOCK_SKEW = timedelta(minutes=5)
# Later than this, a call no longer changes the sums of its own hour: it becomes an adjustment.
LATE = timedelta(days=7)
LONGEST_EVENT_ID = 200

_LONGEST: Mapping[str, int] = {
    "event_id": LONGEST_EVENT_ID, "response_id": 200, "team": 64, "environment": 16, "task": 200, "provider": 64,
    "model": 200,
}  # fmt: skip
_BUCKETS = ("input_uncached", "cache_read", "cache_write", "output", "reasoning")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """One model call.

    Attributes:
        agent_id: who made it.
        team: slug of the agent's team at this time.
        environment: where.
        model: the model's name as the provider takes it.
        at: when it was made, aware.
        event_id: the reporter's own id of it, unique for the agent.
        version: number of the agent's version, None where unknown.
        task: the task, or empty.
        provider: who served it, or empty.
        input_uncached: tokens that no cache served or stored.
        cache_read: tokens served from a cache.
        cache_write: tokens stored in a cache.
        output: tokens written, reasoning included.
        reasoning: of these, tokens of reasoning.
        response_id: the provider's id of its answer, or empty: the same answer counts once.
        decision_id: the action that had leave for it.
        run_id: the run.
        step_id: the step.
        shadow: whether a shadow version made it.
    """

    agent_id: int
    team: str
    environment: str
    model: str
    at: datetime
    event_id: str
    version: int | None = None
    task: str = ""
    provider: str = ""
    input_uncached: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    response_id: str = ""
    decision_id: UUID | None = None
    run_id: UUID | None = None
    step_id: UUID | None = None
    shadow: bool = False

    @property
    def tokens(self) -> Tokens:
        """The counts that are priced."""
        return Tokens(self.input_uncached, self.cache_read, self.cache_write, self.output, self.reasoning)


def defects(report: UsageReport, pointer: str = "") -> Iterator[Problem]:
    """Yield what is wrong with a report.

    Args:
        report: the report.
        pointer: JSON pointer to where it stands.
    """
    texts = {name: getattr(report, name) for name in _LONGEST}
    for name, longest in _LONGEST.items():
        if len(texts[name]) > longest:
            yield Problem(f"{pointer}/{name}", "too_long", f"At most {longest} characters are admitted.")
    try:
        canonical.check(texts)
    except Invalid as refusal:
        yield from (Problem(pointer + each.pointer, each.code, each.detail) for each in refusal.errors)
    for name in ("event_id", "model", "environment"):
        if not texts[name]:
            yield Problem(f"{pointer}/{name}", "missing", "This must not be empty.")
    for name in _BUCKETS:
        if not 0 <= getattr(report, name) <= MAX_TOKENS:
            yield Problem(f"{pointer}/{name}", "bad_count", f"Tokens are an integer from 0 to {MAX_TOKENS}.")
    if report.reasoning > max(report.output, 0):
        yield Problem(f"{pointer}/reasoning", "bad_count", "Reasoning is a part of output and cannot exceed it.")
    if report.at.tzinfo is None:
        yield Problem(f"{pointer}/at", "naive_time", "A time must name its offset from UTC.")


def moment_of(report: UsageReport, *, now: datetime) -> datetime:
    """Return when a call counts as made, UTC: never more than `CLOCK_SKEW` ahead of the server."""
    return min(report.at.astimezone(UTC), now + CLOCK_SKEW)
