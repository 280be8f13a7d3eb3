"""By whose clock times are written: that of the person who looks; the trail stays in UTC."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse

from registry.models import User

_REQUEST: Final[ContextVar[HttpRequest | None]] = ContextVar("console_request", default=None)


class PersonalClock:
    """Let what is drawn for a request know whose clock it is.

    The person is looked up by the first time that is drawn, so that what draws none asks nothing. Django's own
    present zone is left alone: it would also move the days by which rows are counted.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        token = _REQUEST.set(request)
        try:
            return self.get_response(request)
        finally:
            _REQUEST.reset(token)


def present_zone() -> tzinfo:
    """Return the zone of the person for whom a page is drawn; UTC where there is none."""
    request = _REQUEST.get()
    user = getattr(request, "user", None)
    return ZoneInfo(user.zone) if isinstance(user, User) and user.is_authenticated else UTC
