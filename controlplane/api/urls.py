"""Addresses of version 1."""

from __future__ import annotations

from django.urls import path

from controlplane.api import actions, selves

urlpatterns = [
    path("actions", actions.ActionsView.as_view()),
    path("actions/<uuid:action_id>", actions.ActionView.as_view()),
    path("actions/<uuid:action_id>/redeem", actions.RedeemView.as_view()),
    path("actions/<uuid:action_id>/outcome", actions.OutcomeView.as_view()),
    path("self", selves.SelfView.as_view()),
    path("commands", selves.CommandsView.as_view()),
    path("commands/<uuid:command_id>/ack", selves.AckView.as_view()),
]
