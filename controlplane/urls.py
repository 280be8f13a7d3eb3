"""Every address of the product."""

from __future__ import annotations

from django.urls import include, path

from controlplane import health
from controlplane.console.accounts.urls import urls as account_urls
from controlplane.console.live.listening import events
from controlplane.console.map import console
from controlplane.operating.metrics import page

_console = console()

urlpatterns = [
    # First, because agents call it most.
    path("api/", include("controlplane.api.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", page.metrics, name="metrics"),
    path("events", events, name="events"),
    path("aap/", include("controlplane.protocols.aap.urls")),
    # Before the console's own log-in, which knows no second factor.
    path("", include(account_urls(_console))),
    path("", _console.urls),
]

handler400 = "controlplane.console.errors.bad_request"
handler500 = "controlplane.console.errors.server_error"
