"""What surrounds every request: its true caller, its id, one line in the log."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable

import structlog
import uuid_utils
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from audit import context
from controlplane.turnstile import ARRIVED
from runs.redaction import redact_text

GetResponse = Callable[[HttpRequest], HttpResponse]

REQUEST_ID_HEADER = "X-Request-ID"
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Load balancers, and the streaming lane for each open console, ask these every few seconds; their lines would bury
# the others.
_UNLOGGED_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/events"})

logger = structlog.get_logger("controlplane.requests")


class TrustedProxies:
    """Believe ``X-Forwarded-For`` and ``X-Forwarded-Proto`` of the operator's own proxies, and of nobody else.

    The rightmost address that is not a proxy of ours is the caller: what stands left of it is the caller's word.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.networks = settings.TRUSTED_PROXIES

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Set the caller's address and scheme, then answer."""
        forwarded_for = request.META.pop("HTTP_X_FORWARDED_FOR", "")
        forwarded_proto = request.META.pop("HTTP_X_FORWARDED_PROTO", "")
        if self.networks and self._is_trusted(request.META.get("REMOTE_ADDR", "")):
            hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
            callers = [hop for hop in hops if not self._is_trusted(hop)]
            if callers and _is_address(callers[-1]):
                request.META["REMOTE_ADDR"] = callers[-1]
            if forwarded_proto == "https":
                request.META["wsgi.url_scheme"] = "https"
                request.environ["wsgi.url_scheme"] = "https"  # type: ignore[attr-defined]  # WSGI requests have it
        return self.get_response(request)

    def _is_trusted(self, address: str) -> bool:
        if not _is_address(address):
            return False
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self.networks)


class RequestContext:
    """Give each request an id, bind it to logs and to trail entries, return it, and log one line at the end.

    A caller's own id is kept if it looks like one, so that traces join; anything else is replaced. The line holds
    the path without its query, which may carry what nobody should read in a log.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request inside its context."""
        began = request.META.get(ARRIVED) or time.perf_counter()
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        is_one = _ACCEPTED_ID.fullmatch(given) is not None and redact_text(given) == given
        request_id = given if is_one else str(uuid_utils.uuid7())
        request.META["HTTP_X_REQUEST_ID"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            with context.within(request_id=request_id, address=request.META.get("REMOTE_ADDR", "")):
                response = self.get_response(request)
            response[REQUEST_ID_HEADER] = request_id
            if request.path not in _UNLOGGED_PATHS:
                logger.info(
                    "request",
                    method=request.method,
                    path=request.path,
                    status=response.status_code,
                    ms=round((time.perf_counter() - began) * 1000, 1),
                )
            return response
        finally:
            # Threads serve many requests; nothing of this one may reach the next.
            structlog.contextvars.clear_contextvars()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
