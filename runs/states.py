"""States of runs, steps and failures, and how one may follow another."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices

Table = Mapping[str, frozenset[str]]


class RunStatus(TextChoices):
    """How a run, or a step inside it, stands. The last four are final."""

    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    CRASHED = "crashed", "Crashed"


class RunSource(TextChoices):
    """By which road a run was reported."""

    API = "api", "API"
    N8N = "n8n", "n8n"


class StepKind(TextChoices):
    """What a step does."""

    LLM = "llm", "Model call"
    TOOL = "tool", "Tool call"
    HTTP = "http", "HTTP call"
    HUMAN = "human", "Wait for a person"
    OTHER = "other", "Other"


class FailureState(TextChoices):
    """Life of a group of like failures. Muting is apart from it: `Failure.muted_until`."""

    NEW = "new", "New"
    OPEN = "open", "Open"
    RESOLVED = "resolved", "Resolved"
    REGRESSED = "regressed", "Regressed"


_FINAL = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.CRASHED})

# Of runs and steps. Ingest holds reports to it (`runs.merging`): their rows change in bulk, not by `move()`.
RUN: Table = {
    RunStatus.RUNNING: frozenset({RunStatus.WAITING}) | _FINAL,
    RunStatus.WAITING: frozenset({RunStatus.RUNNING}) | _FINAL,
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
    RunStatus.CRASHED: frozenset(),
}

# The ways back to new and regressed are those of an undo, within ten seconds.
FAILURE: Table = {
    FailureState.NEW: frozenset({FailureState.OPEN, FailureState.RESOLVED}),
    FailureState.OPEN: frozenset({FailureState.RESOLVED, FailureState.NEW, FailureState.REGRESSED}),
    # It happened again (regressed), or a person takes the resolution back (open).
    FailureState.RESOLVED: frozenset({FailureState.REGRESSED, FailureState.OPEN, FailureState.NEW}),
    FailureState.REGRESSED: frozenset({FailureState.OPEN, FailureState.RESOLVED}),
}

FAILED: frozenset[str] = frozenset({RunStatus.FAILED, RunStatus.CRASHED})


def is_final(status: str) -> bool:
    """Say whether no other status may follow."""
    return not RUN[status]
