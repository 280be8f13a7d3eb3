"""Reports for tests: small, valid, and in time with `tests.world.NOW`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from registry.models import Agent
from runs.operations import IngestOutcome, Source, ingest
from tests.world import INSTALLATION, NOW

SAMPLES = Path(__file__).parent.parent / "samples" / "n8n"


def run(event_id: str = "r1", **said: Any) -> dict[str, Any]:
    """Return a run's report."""
    return {
        "type": "run",
        "event_id": event_id,
        "trigger": {"source": "schedule", "detail": "0 9 * * *"},
        "started_at": "2026-11-23T09:00:00Z",
        "status": "running",
        **said,
    }


def step(event_id: str = "s1", run_id: str = "r1", **said: Any) -> dict[str, Any]:
    """Return a step's report."""
    return {
        "type": "step",
        "event_id": event_id,
        "run_id": run_id,
        "name": "fetch",
        "kind": "http",
        "started_at": "2026-11-23T09:00:01Z",
        "duration_ms": 20,
        "status": "succeeded",
        **said,
    }


def usage(**said: Any) -> dict[str, Any]:
    """Return the usage of a model call."""
    return {"provider": "openai", "model": "gpt-4o", "input_uncached": 10, "output": 7, **said}


def error(message: str = "boom", kind: str = "Timeout") -> dict[str, str]:
    """Return an error."""
    return {"type": kind, "message": message}


def source(agent: Agent, **said: Any) -> Source:
    """Return a source in production."""
    return Source(agent=agent, **{"environment": "production", **said})


def report(agent: Agent, *items: object, now: Any = NOW, **said: Any) -> IngestOutcome:
    """Ingest items as the agent."""
    return ingest(source=source(agent, **said), items=items, by=INSTALLATION, now=now)


def words(outcome: IngestOutcome) -> list[str]:
    """Return what became of each item."""
    return [str(result.status) for result in outcome.results]


def executions(name: str) -> list[Any]:
    """Return the executions of a sample."""
    document = json.loads((SAMPLES / f"{name}.json").read_text())
    # The answer of a retry was captured along with its HTTP status.
    return list(document["data"]) if isinstance(document.get("data"), list) else [document["body"]]
