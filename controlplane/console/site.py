"""The console's site: where people land, what they search, the pages that belong to no model."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.sites import UnfoldAdminSite

from approvals.models import ApprovalRequest
from audit.models import Entry
from controlplane.console import frame
from controlplane.console.accounts import OwnPassword
from controlplane.console.admins import list_of
from controlplane.console.approvals.reviewers import show_reviewers
from controlplane.console.demonstration import LoadDemonstration
from controlplane.console.dialogs import FRAGMENT
from controlplane.console.home import read_home, read_needs_alone
from controlplane.console.live.page import Live
from controlplane.console.pausing import PauseEverything
from controlplane.console.people import viewer
from controlplane.console.preferences import Clock, Delegate, ForgetView, SaveView, Shortcuts
from controlplane.console.searching import find
from controlplane.console.settings_page import show_settings
from controlplane.console.undoing import Undo
from controlplane.console.welcome import Welcome
from registry.states import Role

# Who does not begin at Home begins where their work is.
_LANDING = {Role.REVIEWER: ApprovalRequest, Role.AUDITOR: Entry}


class ConsoleSite(UnfoldAdminSite):
    """The console. Everybody who is staff logs in; roles decide what they see."""

    site_title = "Control plane"
    enable_nav_sidebar = True
    final_catch_all_view = False

    def extra_urls(self) -> list[URLPattern]:
        """Return the addresses that belong to no model."""
        wrap = self.admin_view
        return [
            path("home/", wrap(self.home), name="home"),
            path("reviewers/", wrap(self.reviewers), name="reviewers"),
            path("settings/", wrap(self.settings), name="settings"),
            path("welcome/", wrap(Welcome.as_view(site=self)), name="welcome"),
            path("demo/", wrap(LoadDemonstration.as_view(site=self)), name="demo"),
            path("live/", wrap(Live.as_view(site=self)), name="live"),
            path("pause-everything/", wrap(PauseEverything.as_view(site=self)), name="pause_everything"),
            path("shortcuts/", wrap(Shortcuts.as_view(site=self)), name="shortcuts"),
            path("clock/", wrap(Clock.as_view(site=self)), name="clock"),
            path("delegate/", wrap(Delegate.as_view(site=self)), name="delegate"),
            path("undo/", wrap(Undo.as_view(site=self)), name="undo"),
            path("views/save/", wrap(SaveView.as_view(site=self)), name="save_view"),
            path("views/<int:view_id>/forget/", wrap(ForgetView.as_view(site=self)), name="forget_view"),
        ]

    def extra_context(self, context: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
        """Add what stands around every page."""
        return frame.add(context, request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to the one way in: Django's own log-in knows no second factor."""
        return HttpResponseRedirect(reverse("account_login"))

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Change one's own password."""
        answer: HttpResponse = OwnPassword.as_view(site=self)(request)  # type: ignore[assignment]  # it never streams
        return answer

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead home: the sidebar is the map, and Django's page of an app would be a second one."""
        return HttpResponseRedirect(reverse("admin:index"))

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Land by role: reviewers where requests wait, auditors at the trail, everybody else at Home."""
        model = _LANDING.get(Role(viewer(request).role))
        return HttpResponseRedirect(list_of(model)) if model else self.home(request)

    def home(self, request: HttpRequest) -> HttpResponse:
        """Show what waits for this person, and whether anything is wrong; to the script what waits alone."""
        if request.headers.get(FRAGMENT):
            needs = read_needs_alone(viewer(request), now=timezone.now())
            return TemplateResponse(request, "console/needs.html", {"needs": needs})
        request.current_app = self.name
        page = read_home(viewer(request), now=timezone.now())
        return TemplateResponse(
            request, "console/home.html", {**self.each_context(request), "title": "Home", "page": page}
        )

    def reviewers(self, request: HttpRequest) -> HttpResponse:
        """Show how reviewers and queues do."""
        request.current_app = self.name
        return show_reviewers(request, self.each_context(request))

    def settings(self, request: HttpRequest) -> HttpResponse:
        """Show what this installation was started with."""
        request.current_app = self.name
        return show_settings(request, self.each_context(request))

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Search by name, id or digest, afresh each time: remembered hits would outlive a revoked right."""
        term = request.GET.get("s", "")
        context = {"groups": find(term, request=request, site=self), "term": term}
        if request.headers.get(FRAGMENT):
            response = TemplateResponse(request, "console/hits.html", context)
        else:
            request.current_app = self.name
            context = {**self.each_context(request), **context, "title": "Search"}
            response = TemplateResponse(request, "console/search.html", context)
        response["Cache-Control"] = "no-store"
        return response


def stylesheet(request: HttpRequest) -> str:
    """Return the address of the console's stylesheet."""
    return static("console/console.css")


def script(request: HttpRequest) -> str:
    """Return the address of the console's script."""
    return static("console/console.js")


def favicon(request: HttpRequest) -> str:
    """Return the address of the console's icon."""
    return static("console/favicon.svg")
