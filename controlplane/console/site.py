"""The console's site: where people land, what they search, the pages that belong to no model."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.sites import UnfoldAdminSite

from controlplane.console.accounts import OwnPassword
from controlplane.console.demonstration import LoadDemonstration
from controlplane.console.home import read_home
from controlplane.console.people import viewer
from controlplane.console.searching import find


class ConsoleSite(UnfoldAdminSite):
    """The console. Everybody who is staff logs in; roles decide what they see."""

    site_title = "Control plane"
    enable_nav_sidebar = True
    final_catch_all_view = False

    def extra_urls(self) -> list[URLPattern]:
        """Return the addresses that belong to no model."""
        return [path("demo/", self.admin_view(LoadDemonstration.as_view(site=self)), name="demo")]

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
        """Show what waits for this person, and whether anything is wrong."""
        request.current_app = self.name
        page = read_home(viewer(request), now=timezone.now())
        context = {**self.each_context(request), "title": "Home", "page": page, **(extra_context or {})}
        return TemplateResponse(request, "console/home.html", context)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Search by name or id, afresh each time: remembered hits would outlive a revoked right."""
        hits = find(request.GET.get("s", ""), user=viewer(request))
        return TemplateResponse(request, "console/search.html", {"hits": hits}, headers={"HX-Trigger": "search"})


def stylesheet(request: HttpRequest) -> str:
    """Return the address of the console's stylesheet."""
    return static("console/console.css")


def script(request: HttpRequest) -> str:
    """Return the address of the console's script."""
    return static("console/console.js")


def favicon(request: HttpRequest) -> str:
    """Return the address of the console's icon."""
    return static("console/favicon.svg")
