"""Addresses of the Agent Approval Protocol, below ``/aap/``."""

from __future__ import annotations

from django.urls import path, re_path

from controlplane.protocols.aap import views

urlpatterns = [
    path("v1/requests", views.RequestsView.as_view()),
    path("v1/requests/<uuid:request_id>", views.RequestView.as_view()),
    path("v1/requests/<uuid:request_id>/consume", views.ConsumeView.as_view()),
    path("v1/requests/<uuid:request_id>/outcome", views.OutcomeView.as_view()),
    path("v1/instances", views.InstancesView.as_view()),
    path("v1/instances/<uuid:instance_id>", views.InstanceView.as_view()),
    re_path(r"^(?P<rest>[\s\S]*)$", views.nothing),
]
