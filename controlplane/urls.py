"""Every address of the product."""

from __future__ import annotations

from django.urls import include, path

from controlplane import health
from controlplane.console.map import console

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/", include("controlplane.api.urls")),
    path("", console().urls),
]
