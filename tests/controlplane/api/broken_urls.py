"""The product's addresses beside some that break, for tests of what breaking looks like from outside."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseForbidden
from django.urls import path
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from controlplane.urls import handler400, handler500
from controlplane.urls import urlpatterns as product

__all__ = ["handler400", "handler500", "urlpatterns"]

CAUSES: dict[str, Exception] = {
    "bug": RuntimeError("secret detail"),
    "operational": OperationalError("secret detail"),
    "interface": InterfaceError("secret detail"),
    "denied": PermissionDenied("secret detail"),
    "missing": Http404("secret detail"),
    "suspicious": SuspiciousOperation("secret detail"),
}


class Breaking(APIView):
    """A DRF view that breaks."""

    permission_classes = (AllowAny,)

    def get(self, _request: Request, cause: str) -> Response:
        """Break."""
        raise CAUSES[cause]


def breaking(_request: HttpRequest, cause: str) -> HttpResponse:
    """Break in a plain view."""
    raise CAUSES[cause]


def forbidding(_request: HttpRequest) -> HttpResponse:
    """Answer an error page of its own."""
    return HttpResponseForbidden("<h1>no</h1>")


urlpatterns = [
    path("api/drf/<str:cause>", Breaking.as_view()),
    path("api/plain/<str:cause>", breaking),
    path("api/page", forbidding),
    path("elsewhere/<str:cause>", breaking),
    *product,
]
