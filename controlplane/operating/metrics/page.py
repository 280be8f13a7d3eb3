"""``/metrics``: who may read it, and what is written there.

It is closed unless somebody opened it: a token opens it to whoever holds it; without one it answers this machine alone,
and only while the whole installation is this machine's own.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import prometheus_client.values
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from audit.refusals import Forbidden, Unauthenticated
from controlplane.operating.metrics import counts
from controlplane.operating.metrics.readings import READINGS, Readings

_CLOSED = "Metrics are closed. Set CONTROLPLANE_METRICS_TOKEN and send it as a bearer token."
_WRONG = "The bearer token is missing or wrong."
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_readings = Readings(READINGS)


class CountsOfAll(Collector):
    """The counts of every process of this installation, added up.

    Args:
        folder: holds a folder for each role, and in it the files of its processes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def collect(self) -> Iterable[Metric]:
        """Return the sums."""
        files = [str(path) for path in sorted(self.folder.glob("*/*.db"))]
        found: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return found


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer in Prometheus's text format, to those who may.

    Raises:
        Unauthenticated: a token is set, and the request does not hold it.
        Forbidden: no token is set, and the request is not this machine's own.
    """
    _check(request)
    registry = CollectorRegistry()
    registry.register(_counts())
    registry.register(_readings)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _counts() -> Collector:
    """Return this process's counts, or everybody's where they are kept in files."""
    in_files: bool = prometheus_client.values.ValueClass._multiprocess  # noqa: SLF001  # there is no public way to ask
    return CountsOfAll(settings.HOME / "metrics") if in_files else _CountsOfThisProcess()


class _CountsOfThisProcess(Collector):
    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return counts.REGISTRY.collect()


def _check(request: HttpRequest) -> None:
    token: str = settings.METRICS_TOKEN
    if token:
        given = request.META.get("HTTP_AUTHORIZATION", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Unauthenticated(_WRONG)
    elif not (_is_private() and _is_loopback(request.META.get("REMOTE_ADDR", ""))):
        raise Forbidden(_CLOSED)


def _is_private() -> bool:
    """Whether the installation serves this machine alone: behind a proxy, every stranger comes from loopback too."""
    return settings.ENVIRONMENT.host in _LOOPBACK_NAMES and urlsplit(settings.PUBLIC_URL).hostname in _LOOPBACK_NAMES


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
