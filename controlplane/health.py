"""Whether this process is alive, and whether the installation can do its work."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit import chain, sql
from controlplane.operating import heartbeats
from controlplane.operating.heartbeats import Pulse

Probe = Callable[[], None]

LONGEST_SEAL_LAG = timedelta(seconds=30)

logger = structlog.get_logger(__name__)


class NotReady(Exception):
    """A part of the installation is not able to work now. Its text is shown to whoever asks."""


def database_answers() -> None:
    """Ask the database for anything at all."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@functools.cache
def migrations_are_applied() -> None:
    """Compare the code's migrations with the database's. Asked until it is true once: a schema does not go back.

    Raises:
        NotReady: some are missing.
    """
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise NotReady(f"{len(missing)} migrations are not applied")


def broker_answers() -> None:
    """Ping Redis or Valkey."""
    with heartbeats.broker() as client:
        client.ping()


def trail_is_sealed() -> None:
    """Look for entries of the trail that have waited for their seal too long.

    Raises:
        NotReady: the sealer does not keep up, or does not run.
    """
    lag = chain.seal_lag(now=sql.now())
    if lag > LONGEST_SEAL_LAG:
        raise NotReady(f"the trail is sealed {int(lag.total_seconds())} s late")


def beat_sends() -> None:
    """Look for beat's last sign of life.

    Raises:
        NotReady: there is none, or it is old.
    """
    _require_alive(heartbeats.BEAT)


def worker_works() -> None:
    """Look for the worker's last sign of life.

    Raises:
        NotReady: there is none, or it is old.
    """
    _require_alive(heartbeats.WORKER)


def lane_streams() -> None:
    """Look for the streaming lane's last sign of life.

    Raises:
        NotReady: there is none, or it is old.
    """
    _require_alive(heartbeats.LANE)


def sender_sends() -> None:
    """Look for the sender's last sign of life.

    Raises:
        NotReady: there is none, or it is old.
    """
    _require_alive(heartbeats.SENDER)


def _require_alive(name: str) -> None:
    seen = next(found for found in heartbeats.health_of_background() if found.name == name)
    if seen.pulse is not Pulse.OK:
        raise NotReady(seen.words)


# Name and probe, in the order of the answer. A probe returns nothing, or raises `NotReady` with a reason to show.
PROBES: dict[str, Probe] = {
    "database": database_answers,
    "migrations": migrations_are_applied,
    "broker": broker_answers,
    "trail": trail_is_sealed,
    "beat": beat_sends,
    "worker": worker_works,
    "lane": lane_streams,
    "sender": sender_sends,
}


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer that this process is alive. Nothing else is asked, so that no neighbour's trouble restarts it."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 if every part can work, else 503. Each part says ``ok`` or its reason, and its milliseconds."""
    parts = {name: _ask(name, probe) for name, probe in PROBES.items()}
    ready = all(part["state"] == "ok" for part in parts.values())
    return JsonResponse({"ready": ready, "parts": parts}, status=200 if ready else 503)


def _ask(name: str, probe: Probe) -> dict[str, str | float]:
    began = time.perf_counter()
    state = "ok"
    try:
        probe()
    except NotReady as reason:
        state = str(reason)
    except Exception as error:  # noqa: BLE001  # any driver may fail in its own way, and each means "not ready"
        # Drivers put addresses and users into their texts: those belong into the log, not into an open page.
        logger.warning("not ready", part=name, error=repr(error))
        state = "unavailable"
    return {"state": state, "ms": round((time.perf_counter() - began) * 1000, 1)}
