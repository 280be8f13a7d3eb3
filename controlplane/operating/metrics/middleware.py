"""Counting HTTP requests, by the name of their route."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from controlplane.operating.metrics import counts
from controlplane.turnstile import ARRIVED

# Addresses that lead nowhere are countless; they share one name.
NO_ROUTE = "none"


class CountedRequests:
    """Count each request and its seconds.

    Args:
        get_response: what answers.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, then count."""
        began = request.META.get(ARRIVED) or time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        counts.answered(
            route=(match.view_name or NO_ROUTE) if match else NO_ROUTE,
            method=request.method or "",
            status=response.status_code,
            seconds=time.perf_counter() - began,
        )
        return response
