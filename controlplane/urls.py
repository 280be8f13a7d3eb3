"""Every address of the product."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from controlplane import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("", admin.site.urls),
]
