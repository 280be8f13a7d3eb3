"""Who may listen to server push: asked by the streaming lane, which serves ``/events``."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.templatetags.static import static
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from controlplane import parking
from registry.models import User


@never_cache
@require_GET
def events(request: HttpRequest) -> HttpResponse:
    """Tell the lane who listens: a person who is logged in and owes nothing (204), or nobody (401).

    Raises:
        Http404: somebody else asks. The web server pushes nothing.
    """
    ticket = parking.ticket_of(request.META)
    if ticket is None:
        raise Http404
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return HttpResponse(status=401)
    ticket.person, ticket.caller = user.pk, f"person:{user.pk}"
    return HttpResponse(status=204)


def script(request: HttpRequest) -> str:
    """Return the address of the script that listens."""
    return static("console/live.js")
