"""What administrators do about other people's accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views import View

from controlplane.accounts import factors, lockouts
from controlplane.console.dialogs import Dialog, Done, Words
from controlplane.console.people import viewer
from registry import permissions
from registry.operations import end_sessions
from registry.states import Role


class EndSessions(Dialog):
    """End every session of a person."""

    def check(self) -> None:
        """Refuse whoever does not manage people."""
        permissions.may_manage_people(self.user)

    def words(self) -> Words:
        """Name the effect."""
        return Words(f"End all sessions of {self.row.username}?", ("They must log in again.",), "End all sessions")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """End them."""
        end_sessions(user=self.row, by=self.user, now=self.now)
        return Done("All sessions are ended.", self.back())


class ResetFactors(Dialog):
    """Take a person's second factors, after they lost them."""

    def check(self) -> None:
        """Refuse whoever does not manage people."""
        permissions.may_manage_people(self.user)

    def words(self) -> Words:
        """Name the effect."""
        effect = ("Make sure first that it is really them who asks.", "Their password alone lets them in afterwards.")
        return Words(f"Remove the second factors of {self.row.username}?", effect, "Remove them", danger=True)

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Take them."""
        had = factors.reset(user=self.row, by=self.user, now=self.now)
        return Done("The second factors are removed." if had else "There were none.", self.back())


class LiftLock(Dialog):
    """Open a person's log-in again."""

    def check(self) -> None:
        """Refuse whoever does not manage people."""
        permissions.may_manage_people(self.user)

    def words(self) -> Words:
        """Name the effect."""
        return Words(f"Open the log-in of {self.row.username}?", ("Failed attempts are forgotten.",), "Open it")

    def perform(self, data: Mapping[str, Any]) -> Done:
        """Open it."""
        had = lockouts.lift(name=self.row.username, by=self.user, now=self.now)
        return Done("The log-in is open." if had else "It was open.", self.back())


class Lockouts(View):
    """Every log-in that is closed now; POST opens one."""

    http_method_names = ["get", "head", "post"]
    site: AdminSite = None  # type: ignore[assignment]  # as_view() gives it

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Hide the page from everybody else."""
        if viewer(request).role != Role.ADMIN:
            raise Http404
        return super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]  # it never streams

    def get(self, request: HttpRequest) -> HttpResponse:
        """List them."""
        frame = self.site.each_context(request)
        closed = lockouts.locks(now=timezone.now())
        return TemplateResponse(request, "account/locks.html", {**frame, "title": "Closed log-ins", "locks": closed})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Open one."""
        lockouts.lift(name=request.POST.get("name", "")[:255], by=viewer(request), now=timezone.now())
        return HttpResponseRedirect(reverse("account_locks"))


PERSON: dict[str, type[Dialog]] = {
    "end-sessions": EndSessions,
    "reset-factors": ResetFactors,
    "open-log-in": LiftLock,
}
