"""Every address of the product."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from controlplane import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/v1/", include("controlplane.api.urls")),
    path("", admin.site.urls),
]
