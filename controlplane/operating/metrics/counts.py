"""What each process counts as it goes.

Under ``up`` every process counts in files of its own (``CONTROLPLANE_HOME/metrics``), and the web server adds them
up when it is asked; elsewhere (tests, one process alone) the counts live in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

P = ParamSpec("P")

# When a series began is of no use to anybody here and doubles the page.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
_DECISION_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_REQUEST_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_TASK_SECONDS = (0.01, 0.1, 1.0, 10.0, 60.0, 300.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

logger = structlog.get_logger(__name__)

DECISIONS = Counter(
    "controlplane_decisions_total",
    "Decisions given to agents. kind: fresh, replayed (an earlier answer again) or refused (no decision was made).",
    ("effect", "environment", "kind"),
    registry=REGISTRY,
)
DECISION_SECONDS = Histogram(
    "controlplane_decision_seconds",
    "Seconds from reading an ask to its committed decision.",
    ("effect",),
    buckets=_DECISION_SECONDS,
    registry=REGISTRY,
)
REDEMPTIONS = Counter(
    "controlplane_redemptions_total", "Redemptions of grants by result: redeemed, or the refusal's code.",
    ("result",), registry=REGISTRY,
)  # fmt: skip
OUTCOMES = Counter(
    "controlplane_outcomes_total", "Reports of what came of an action, by result or the refusal's code.",
    ("result",), registry=REGISTRY,
)  # fmt: skip
INGESTED = Counter(
    "controlplane_ingest_items_total", "Reported runs and steps by what became of them.",
    ("result",), registry=REGISTRY,
)  # fmt: skip
REQUESTS = Counter(
    "controlplane_http_requests_total", "HTTP requests answered, by name of the route.",
    ("route", "method", "status"), registry=REGISTRY,
)  # fmt: skip
REQUEST_SECONDS = Histogram(
    "controlplane_http_request_seconds", "Seconds per HTTP request, by name of the route.",
    ("route",), buckets=_REQUEST_SECONDS, registry=REGISTRY,
)  # fmt: skip
TASKS = Counter(
    "controlplane_task_runs_total", "Background tasks run, by how they ended.", ("task", "result"), registry=REGISTRY
)
TASK_SECONDS = Histogram(
    "controlplane_task_seconds", "Seconds per background task.", ("task",), buckets=_TASK_SECONDS, registry=REGISTRY
)


class _Complaint:
    """Says once per process that counting fails: each request saying so would bury the log."""

    said = False


def never_failing(count: Callable[P, None]) -> Callable[P, None]:
    """Make a function that counts harmless to whoever is counted."""

    @wraps(count)
    def harmless(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            count(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  # a full disk, a missing folder: none of it is the caller's trouble
            if not _Complaint.said:
                _Complaint.said = True
                logger.warning("metrics cannot be counted in this process", error=repr(error))

    return harmless


@never_failing
def decided(*, effect: str, environment: str, replayed: bool, seconds: float) -> None:
    """Count an answer to an ask."""
    DECISIONS.labels(effect, environment, "replayed" if replayed else "fresh").inc()
    if not replayed:
        DECISION_SECONDS.labels(effect).observe(seconds)


@never_failing
def not_decided(*, environment: str) -> None:
    """Count an ask that got no decision: it was malformed, or something is broken."""
    DECISIONS.labels("none", environment, "refused").inc()


@never_failing
def redeemed(*, result: str) -> None:
    """Count a redemption."""
    REDEMPTIONS.labels(result).inc()


@never_failing
def reported(*, result: str) -> None:
    """Count a reported outcome."""
    OUTCOMES.labels(result).inc()


@never_failing
def ingested(*, results: dict[str, int]) -> None:
    """Count reported items: number by what became of them."""
    for result, number in results.items():
        if number:
            INGESTED.labels(result).inc(number)


@never_failing
def answered(*, route: str, method: str, status: int, seconds: float) -> None:
    """Count an HTTP request."""
    REQUESTS.labels(route, method if method in _METHODS else "other", str(status)).inc()
    REQUEST_SECONDS.labels(route).observe(seconds)


@never_failing
def worked(*, task: str, result: str, seconds: float | None) -> None:
    """Count a background task; its seconds where its start was seen."""
    TASKS.labels(task, result).inc()
    if seconds is not None:
        TASK_SECONDS.labels(task).observe(seconds)
