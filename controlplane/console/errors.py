"""Error pages: what happened, that nothing was decided, and the request's id for whoever looks into it.

They touch neither the database nor the session: either may be what failed.
"""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

_AWAY = (OperationalError, InterfaceError)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400: the address or the form asks for something that does not exist."""
    return _answer(request, "400.html", 400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 while the database is away or busy, else 500."""
    away = isinstance(sys.exc_info()[1], _AWAY)
    return _answer(request, "503.html", 503) if away else _answer(request, "500.html", 500)


def _answer(request: HttpRequest, template: str, status: int) -> HttpResponse:
    text = render_to_string(template, {"request_id": request.META.get("HTTP_X_REQUEST_ID", "")})
    response = HttpResponse(text, status=status)
    if status == 503:
        response["Retry-After"] = "5"
    return response
