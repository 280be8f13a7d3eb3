"""The short way for agents: calls that carry a key pass the middleware that is about people's pages.

Sessions, CSRF tokens, messages, sign-in and page policies cost a decision a fifth of its processor time and say
nothing about an agent, which none of them knows. What concerns every request (addresses, request ids, metrics,
problem documents, transport security) lies outside of this and stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.urls import Resolver404, resolve

from audit.refusals import Malformed
from controlplane.api.machines import MachineView
from controlplane.api.problems import render
from controlplane.gateway.bodies import MAX_BODY

GetResponse = Callable[[HttpRequest], HttpResponse]

_PREFIX = "/api/v1/"
_DECIDES = "/api/v1/actions"
# What an answer of pure data may do in a browser that was led to it.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Turnstile:
    """Let few threads of this process decide at a time; the others wait without the interpreter.

    A decision is a row of short statements, and Python gives the interpreter away at each of them. With sixteen
    threads at work it comes back late, while the writer lock is held: two do more decisions per second than sixteen.
    Calls that only read, or wait for people, pass beside it, and so does a body of unknown length: nobody waits here
    for a slow sender.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.gate = threading.BoundedSemaphore(settings.DECIDING_THREADS)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request, in turn if it is to be decided."""
        if request.method != "POST" or not request.path.startswith(_DECIDES):
            return self.get_response(request)
        length = request.META.get("CONTENT_LENGTH") or ""
        if not (length.isascii() and length.isdigit() and 0 < int(length[:9]) <= MAX_BODY):
            return self.get_response(request)
        try:
            # Kept by the request: the view finds it read.
            _ = request.body
        except (UnreadablePostError, OSError):
            return render(Malformed("The body broke off."), instance=request.path)
        with self.gate:
            return self.get_response(request)


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
