"""The short way for agents: calls that carry a key pass the middleware that is about people's pages.

Sessions, CSRF tokens, messages, sign-in and page policies cost a decision a fifth of its processor time and say
nothing about an agent, which none of them knows. What concerns every request (addresses, request ids, metrics,
problem documents, transport security) lies outside of this and stays.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from controlplane.api.machines import MachineView

GetResponse = Callable[[HttpRequest], HttpResponse]

_PREFIX = "/api/v1/"
# What an answer of pure data may do in a browser that was led to it.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class StraightToAgents:
    """Call the view at once where it takes agents' keys and nothing else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        if not request.path.startswith(_PREFIX):
            return self.get_response(request)
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return self.get_response(request)
        if not issubclass(getattr(match.func, "cls", object), MachineView):
            return self.get_response(request)
        # A foreign host name is refused here as everywhere.
        request.get_host()
        request.resolver_match = match
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        if callable(render := getattr(response, "render", None)):
            response = render()
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        return response
