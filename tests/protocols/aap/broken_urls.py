"""Addresses that break, below the protocol's prefix."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import path


def boom(_request: HttpRequest) -> HttpResponse:
    """Fail as nobody expects."""
    raise RuntimeError("a secret")


def away(_request: HttpRequest) -> HttpResponse:
    """Fail as without a database."""
    raise OperationalError("a secret")


def suspicious(_request: HttpRequest) -> HttpResponse:
    """Fail as on a request that Django itself refuses."""
    raise SuspiciousOperation("a secret")


def forbidden(_request: HttpRequest) -> HttpResponse:
    """Fail as without a right."""
    raise PermissionDenied("a secret")


urlpatterns = [
    path("aap/boom", boom),
    path("aap/away", away),
    path("aap/suspicious", suspicious),
    path("aap/forbidden", forbidden),
]
handler400 = "controlplane.console.errors.bad_request"
handler500 = "controlplane.console.errors.server_error"
