"""Reports of runs and steps, as every road (API, n8n, later OTLP) hands them to ingest (pure).

A value that was not said is empty: ``None`` or ``""``. Nothing here is clamped or redacted
yet; `runs.preparing` does both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one model call in disjoint buckets.

    Attributes:
        provider: who served the model, for example ``openai``.
        model: its name.
        input_uncached: input tokens that came from no cache.
        cache_read: input tokens read from a cache.
        cache_write: input tokens written to a cache.
        output: output tokens, reasoning included.
        reasoning: how many of `output` were reasoning; shown, never added.
        response_id: the provider's id of the answer, or empty.
    """

    provider: str
    model: str
    input_uncached: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    response_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """What one report says of a run.

    Attributes:
        event_id: the reporter's id of the run, unique per agent.
        external_id: another name of the run, for example its id in n8n.
        started_at: aware UTC.
        ended_at: aware UTC.
        parent_ref: a name of the run that started it.
        retry_ref: a name of the run that it repeats.
        external_version: the version's id in the system that ran it.
        partial: the report is known to leave out details (an error's text) that follow later.
    """

    event_id: str
    status: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    external_id: str = ""
    trigger_source: str = ""
    trigger_detail: str = ""
    task: str = ""
    error_type: str = ""
    error_message: str = ""
    output_summary: str = ""
    parent_ref: str = ""
    retry_ref: str = ""
    external_version: str = ""
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvent:
    """What one report says of a step.

    Attributes:
        event_id: the reporter's id of the step, unique per agent.
        run_ref: a name of its run: event id, our id, or external id.
        started_at: aware UTC.
        duration_ms: milliseconds.
        input: any JSON value; ``None`` is none.
        output: any JSON value; ``None`` is none.
        action_id: the decision that it carries out.
        position: orders steps that began in the same instant.
    """

    event_id: str
    run_ref: str
    name: str
    kind: str
    status: str
    started_at: datetime
    duration_ms: int | None = None
    error_type: str = ""
    error_message: str = ""
    input: Any = None
    output: Any = None
    usage: Usage | None = None
    action_id: UUID | None = None
    position: int = 0


Event = RunEvent | StepEvent
