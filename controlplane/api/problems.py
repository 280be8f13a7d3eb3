"""Every error of every API path as RFC 9457 problem details, Django's own included."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template import loader
from rest_framework import exceptions

from approvals.refusals import NotNow
from audit.context import surroundings
from audit.refusals import (
    Flooded,
    Forbidden,
    Invalid,
    Malformed,
    Missing,
    Problem,
    Refusal,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from controlplane.gateway.answers import moment

CONTENT_TYPE = "application/problem+json"
PREFIXES = ("/api/", "/metrics")
CHALLENGE = 'Bearer realm="control plane"'


class MethodNotAllowed(Refusal):
    """The path has no such method."""

    code, status, title = "method_not_allowed", 405, "Method not allowed"


class NotAcceptable(Refusal):
    """The client asks for another representation than JSON."""

    code, status, title = "not_acceptable", 406, "Only JSON is served"


class Broken(Refusal):
    """Something unexpected: logged with the request's id; nothing was decided."""

    code, status, title = "internal_error", 500, "Something went wrong; nothing was decided"


class BadQuery(Refusal):
    """A query parameter is unknown or out of range."""

    code, status, title = "bad_query", 400, "The query is not valid"


def render(refusal: Refusal, *, instance: str) -> HttpResponse:
    """Write a refusal as problem details.

    Args:
        refusal: what to tell.
        instance: path of the request.
    """
    body: dict[str, Any] = {
        "type": f"urn:controlplane:problem:{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "instance": instance,
        "code": refusal.code,
        "request_id": surroundings().request_id,
        "errors": [{"pointer": p.pointer, "code": p.code, "detail": p.detail} for p in refusal.errors],
    }
    if isinstance(refusal, NotNow) and refusal.retry_at is not None:
        body["retry_at"] = moment(refusal.retry_at)
    response = HttpResponse(json.dumps(body), status=refusal.status, content_type=CONTENT_TYPE)
    for name, value in refusal.headers.items():
        response[name] = value
    if refusal.status == Unauthenticated.status:
        response["WWW-Authenticate"] = CHALLENGE
    return response


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Render what a view raised; None lets the unexpected propagate.

    Args:
        error: what was raised.
        context: DRF's context of the view.
    """
    refusal = refusal_of(error)
    return None if refusal is None else render(refusal, instance=context["request"].path)


def refusal_of(error: Exception) -> Refusal | None:
    """Return the refusal that stands for an exception, or None for an unexpected one."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, OperationalError | InterfaceError):
        return Unavailable("The database does not answer. Nothing was decided; try again.")
    for kinds, make in _FOREIGN:
        if isinstance(error, kinds):
            return make(error)
    if isinstance(error, exceptions.APIException):
        return refusal_with(error.status_code, str(error.detail))
    return None


def _validation(error: Any) -> Refusal:
    problems = list(_flatten(error.detail, ""))
    return Invalid(problems[0].detail if problems else "", errors=problems)


def _flatten(detail: Any, pointer: str) -> Any:
    if isinstance(detail, dict):
        for key, value in detail.items():
            yield from _flatten(value, pointer if key == "non_field_errors" else f"{pointer}/{key}")
    elif isinstance(detail, list):
        for value in detail:
            yield from _flatten(value, pointer)
    else:
        yield Problem(pointer, str(getattr(detail, "code", "invalid")), str(detail))


_Make = Callable[[Any], Refusal]
_FOREIGN: list[tuple[tuple[type[Exception], ...], _Make]] = [
    ((exceptions.NotAuthenticated, exceptions.AuthenticationFailed), lambda _: Unauthenticated()),
    ((exceptions.PermissionDenied, PermissionDenied), lambda _: Forbidden()),
    ((exceptions.NotFound, Http404), lambda _: Missing()),
    ((exceptions.MethodNotAllowed,), lambda error: MethodNotAllowed(str(error.detail))),
    ((exceptions.UnsupportedMediaType,), lambda error: UnsupportedMedia(str(error.detail))),
    ((exceptions.ParseError,), lambda error: Malformed(str(error.detail))),
    ((exceptions.NotAcceptable,), lambda _: NotAcceptable()),
    ((exceptions.ValidationError,), _validation),
    ((RequestDataTooBig,), lambda _: TooLarge("The body is larger than this endpoint takes.")),
    ((SuspiciousOperation,), lambda _: Malformed("The request is not well formed.")),
]

_BY_STATUS: dict[int, type[Refusal]] = {
    400: Malformed,
    401: Unauthenticated,
    403: Forbidden,
    404: Missing,
    405: MethodNotAllowed,
    413: TooLarge,
    415: UnsupportedMedia,
    429: Flooded,
    503: Unavailable,
}


def refusal_with(status: int, detail: str = "") -> Refusal:
    """Return the refusal that stands for an HTTP status which Django or DRF chose."""
    kind = _BY_STATUS.get(status, Broken)
    # A missing object has no detail of its own.
    return Missing() if kind is Missing else kind(detail)


def _as_page(response: HttpResponse) -> HttpResponse:
    """Give an error a page that has none."""
    if response.streaming or response.content:
        return response
    refusal = refusal_with(response.status_code)
    told = {"title": refusal.title, "detail": refusal.detail, "request_id": surroundings().request_id}
    page = HttpResponse(loader.render_to_string("error.html", told), status=response.status_code)
    for name in ("Allow", "Retry-After"):
        if name in response:
            page[name] = response[name]
    return page


class ApiProblems:
    """Turn the errors that Django itself writes into problem details on API paths, and into small pages elsewhere."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request; an error that is not a problem document yet becomes one."""
        response = self.get_response(request)
        if (
            response.status_code >= Malformed.status
            and request.path.startswith(PREFIXES)
            and not response.get("Content-Type", "").startswith(CONTENT_TYPE)
        ):
            problem = render(refusal_with(response.status_code), instance=request.path)
            for name in ("Allow", "Retry-After"):
                if name in response:
                    problem[name] = response[name]
            return problem
        if response.status_code >= Malformed.status and not request.path.startswith(PREFIXES):
            return _as_page(response)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Render an expected failure of a plain Django view on an API path."""
        if not request.path.startswith(PREFIXES):
            return None
        refusal = refusal_of(error)
        return None if refusal is None else render(refusal, instance=request.path)
