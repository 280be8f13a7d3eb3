"""Every error under ``/aap`` in the protocol's own shape, Django's own included."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest, HttpResponse

from approvals.refusals import AlreadyDecided, AlreadyRedeemed
from audit.context import surroundings
from audit.refusals import Conflict, Gone, Invalid, KeyReused, Malformed, Refusal, Unauthenticated
from controlplane.api.problems import CHALLENGE, refusal_of, refusal_with

PREFIX: Final = "/aap/"
_CONTENT_TYPE: Final = "application/json"
_TYPES: Final = {
    401: "authentication", 403: "authorization", 404: "not_found", 409: "conflict", 429: "rate_limit",
    500: "internal", 503: "dependency",
}  # fmt: skip
# Where the parts of the question to the gateway come from.
_PARTS: Final = {
    "payload": "arguments", "call": "arguments", "purpose": "agent_reasoning", "withheld": "agent_reasoning",
    "submission": "context",
}  # fmt: skip


class MissingKey(Malformed):
    """A call that creates or consumes has no idempotency key."""

    code, title = "missing_idempotency_key", "The header Idempotency-Key is required"


class IdempotencyConflict(Conflict):
    """The idempotency key belongs to another submission."""

    code, title = "idempotency_conflict", "The idempotency key was used for a different request"


class AlreadyTerminal(Conflict):
    """What is decided cannot be withdrawn."""

    code, title = "already_terminal", "The request has its final answer"


class NotApproved(Conflict):
    """There is no leave to start the call."""

    code, title = "not_approved", "The request is not approved"


class ApprovalExpired(Conflict):
    """Leave to start the call has ended: its time is over, or it was taken back."""

    code, title = "approval_expired", "Leave to start this call has ended"


class AlreadyConsumed(Conflict):
    """The call was started before, under another idempotency key."""

    code, title = "already_consumed", "The approval was consumed before"


class NotConsumed(Conflict):
    """An outcome of what was never started."""

    code, title = "not_consumed", "The approval was not consumed"


class Later(Refusal):
    """Approved, and held up by something that time lifts: closed hours, a spent limit."""

    code, status, title = "not_now", 429, "Not now"


_MEANINGS: Final[tuple[tuple[type[Refusal], type[Refusal]], ...]] = (
    (KeyReused, IdempotencyConflict),
    (AlreadyRedeemed, AlreadyConsumed),
    (AlreadyDecided, AlreadyTerminal),
)


def render(refusal: Refusal) -> HttpResponse:
    """Write a refusal as the protocol's error."""
    for kind, meaning in _MEANINGS:
        if isinstance(refusal, kind):
            refusal = meaning()
    status = refusal.status
    if isinstance(refusal, Gone):
        status = Conflict.status
    elif isinstance(refusal, Invalid):
        status = Malformed.status
    defect = refusal.errors[0] if isinstance(refusal, Invalid) and refusal.errors else None
    error = {
        "type": _TYPES.get(status, "invalid_request"),
        "code": defect.code if defect else refusal.code,
        "message": defect.detail if defect else refusal.detail,
        "request_id": surroundings().request_id,
    }
    if defect and (param := _param(defect.pointer)):
        error["param"] = param
    response = HttpResponse(json.dumps({"error": error}), status=status, content_type=_CONTENT_TYPE)
    for name, value in refusal.headers.items():
        response[name] = value
    if status == Unauthenticated.status:
        response["WWW-Authenticate"] = CHALLENGE
    return response


def _param(pointer: str) -> str:
    """Return the submitted field that is at fault, or nothing."""
    field = pointer.split("/")[1] if pointer else ""
    return _PARTS.get(field, field)


def exception_handler(error: Exception, _context: dict[str, Any]) -> HttpResponse | None:
    """Render what a view raised; None lets the unexpected propagate."""
    refusal = refusal_of(error)
    return None if refusal is None else render(refusal)


class AapErrors:
    """Give the errors that Django itself writes under ``/aap`` the protocol's shape."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        response = self.get_response(request)
        if response.status_code < Malformed.status or not request.path.startswith(PREFIX):
            return response
        if response.get("Content-Type", "").startswith(_CONTENT_TYPE):
            return response
        told = render(refusal_with(response.status_code))
        for name in ("Allow", "Retry-After"):
            if name in response:
                told[name] = response[name]
        return told

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Render an expected failure of a plain Django view."""
        if not request.path.startswith(PREFIX):
            return None
        refusal = refusal_of(error)
        return None if refusal is None else render(refusal)
