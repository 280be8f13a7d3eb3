"""What is read from the database when Prometheus asks: bounded in time and number, and kept for some seconds."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import structlog
from django.db import connection, transaction
from django.db.models import Count, Min
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from approvals.models import ApprovalRequest, Grant, Queue
from approvals.states import GrantState
from audit import chain, sql
from audit.models import Seal
from controlplane import __version__
from controlplane.operating.heartbeats import Pulse, health_of_background
from costs.models import Budget, BudgetPeriod
from costs.periods import period_at
from registry.models import Agent
from runs.models import Failure

# More queues or budgets than this are left out, the last in the alphabet first, and a metric of its own says so.
MOST_ROWS = 200
LONGEST_SECONDS = 2.0
_KEPT_SECONDS = 10.0
# SQLite looks at the clock after so many of its instructions.
_INSTRUCTIONS = 10_000

logger = structlog.get_logger(__name__)

Reading = Callable[[datetime], Iterable[Metric]]


def queues(now: datetime) -> Iterator[Metric]:
    """Read how much waits in each queue, and for how long."""
    pending = GaugeMetricFamily("controlplane_queue_pending", "Held actions that can be decided now.", labels=["queue"])
    oldest = GaugeMetricFamily(
        "controlplane_queue_oldest_seconds", "Age of the oldest held action of the queue; 0 when empty.",
        labels=["queue"],
    )  # fmt: skip
    slugs = list(Queue.objects.order_by("slug").values_list("slug", flat=True)[: MOST_ROWS + 1])
    waiting = ApprovalRequest.objects.in_time(now).order_by().filter(queues__slug__in=slugs[:MOST_ROWS])
    found = {
        slug: (number, first)
        for slug, number, first in waiting.values_list("queues__slug").annotate(
            number=Count("pk"), first=Min("created_at")
        )
    }
    for slug in slugs[:MOST_ROWS]:
        number, first = found.get(slug, (0, None))
        pending.add_metric([slug], number)
        oldest.add_metric([slug], max(0.0, (now - first).total_seconds()) if first else 0)
    yield pending
    yield oldest
    yield _left_out("queues", slugs)


def trail(now: datetime) -> Iterator[Metric]:
    """Read how far the trail is sealed."""
    yield GaugeMetricFamily(
        "controlplane_seal_lag_seconds", "Age of the oldest trail entry that waits for its seal.",
        value=chain.seal_lag(now=now).total_seconds(),
    )  # fmt: skip
    head = Seal.objects.order_by("-seq").values_list("seq", flat=True).first()
    yield GaugeMetricFamily("controlplane_trail_sealed_seq", "Number of the last sealed trail entry.", value=head or 0)


def budgets(now: datetime) -> Iterator[Metric]:
    """Read the budgets in force in their present period."""
    money = GaugeMetricFamily(
        "controlplane_budget_nanousd", "Budget in its present period, nano-USD. part: limit, settled or reserved.",
        labels=["budget", "part"],
    )  # fmt: skip
    rows = list(Budget.objects.active().order_by("slug")[: MOST_ROWS + 1])
    kept = rows[:MOST_ROWS]
    periods = {
        (row.budget_id, row.starts_at, row.ends_at): row
        for row in BudgetPeriod.objects.current(now).filter(budget__in=kept)
    }
    for budget in kept:
        period = period_at(budget.per, budget.zone, now)
        seen = periods.get((budget.pk, period.start, period.end))
        money.add_metric([budget.slug, "limit"], budget.limit_nanousd)
        money.add_metric([budget.slug, "settled"], seen.settled_nanousd if seen else 0)
        money.add_metric([budget.slug, "reserved"], seen.reserved_nanousd if seen else 0)
    yield money
    yield _left_out("budgets", rows)


def work(_now: datetime) -> Iterator[Metric]:
    """Read failures that are not resolved, grants that are unused or unanswered, and agents, by state."""
    failures = GaugeMetricFamily("controlplane_failures", "Failures that are not resolved.", labels=["state"])
    for state, number in Failure.objects.open().order_by().values_list("state").annotate(number=Count("pk")):
        failures.add_metric([state], number)
    yield failures
    grants = GaugeMetricFamily("controlplane_grants", "Grants that are not closed.", labels=["state"])
    for state in (GrantState.ISSUED, GrantState.REDEEMED, GrantState.OUTCOME_UNKNOWN):
        grants.add_metric([state.value], Grant.objects.filter(state=state).count())
    yield grants
    agents = GaugeMetricFamily("controlplane_agents", "Registered agents.", labels=["state"])
    for state, number in Agent.objects.order_by().values_list("state").annotate(number=Count("pk")):
        agents.add_metric([state], number)
    yield agents


READINGS: dict[str, Reading] = {"queues": queues, "trail": trail, "budgets": budgets, "work": work}


def background() -> Iterator[Metric]:
    """Tell whether beat, worker and lane live. It asks the broker, not the database."""
    up = GaugeMetricFamily("controlplane_background_up", "1 while the process shows signs of life.", labels=["process"])
    silent = GaugeMetricFamily(
        "controlplane_background_silent_seconds", "Age of the process's last sign of life.", labels=["process"]
    )
    for seen in health_of_background():
        up.add_metric([seen.name], int(seen.pulse is Pulse.OK))
        if seen.seconds is not None:
            silent.add_metric([seen.name], seen.seconds)
    yield up
    yield silent


class Readings(Collector):
    """All readings, each on its own: one that fails is missing, and says so.

    Args:
        readings: name and function.
        kept_seconds: how long they serve; each web process reads for itself.
    """

    def __init__(self, readings: dict[str, Reading], kept_seconds: float = _KEPT_SECONDS) -> None:
        self.readings = readings
        self.kept_seconds = kept_seconds
        self._lock = threading.Lock()
        self._kept: list[Metric] = []
        self._until = 0.0

    def collect(self) -> list[Metric]:
        """Return everything; never raises."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._kept = [*self._read(), *background()]
                self._until = time.monotonic() + self.kept_seconds
            return [_build(), *self._kept]

    def _read(self) -> Iterator[Metric]:
        well = GaugeMetricFamily(
            "controlplane_reading_ok", "1 if this part of the database could be read in time.", labels=["reading"]
        )
        for name, read in self.readings.items():
            try:
                with bounded(LONGEST_SECONDS):
                    found = list(read(sql.now()))
            except Exception as error:  # noqa: BLE001  # whatever it is, the other readings stand
                logger.warning("a reading failed", reading=name, error=repr(error))
                well.add_metric([name], 0)
            else:
                well.add_metric([name], 1)
                yield from found
        yield well


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Run queries in a transaction that the database itself ends after so long.

    Raises:
        django.db.DatabaseError: it took too long.
    """
    if sql.is_postgresql():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(int(seconds * 1000))])
            yield
        return
    connection.ensure_connection()
    raw: sqlite3.Connection = connection.connection
    end = time.monotonic() + seconds
    # No transaction: ours begin IMMEDIATE, and a scrape must not wait in the writers' queue.
    raw.set_progress_handler(lambda: int(time.monotonic() > end), _INSTRUCTIONS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def _build() -> Metric:
    build = GaugeMetricFamily("controlplane_build_info", "Version and engine.", labels=["version", "engine"])
    build.add_metric([__version__, connection.vendor], 1)
    return build


def _left_out(what: str, rows: Sequence[object]) -> Metric:
    left_out = GaugeMetricFamily(
        f"controlplane_{what}_left_out", f"1 if there are more {what} than are shown here ({MOST_ROWS})."
    )
    left_out.add_metric([], int(len(rows) > MOST_ROWS))
    return left_out
