"""Addresses of the API (semantics 13). None ends with a slash."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from controlplane.api import (
    actions,
    agents,
    approvals,
    decisions,
    endpoints,
    grants,
    kills,
    measures,
    policies,
    replays,
    reports,
    runs,
    schema,
    selves,
    simulating,
    spend,
    trail,
    triggers,
    versions,
)


@csrf_exempt
def nothing(_request: HttpRequest, **_path: str) -> HttpResponse:
    """Answer every other address below ``/api/``; the console's catch-all would redirect to its log-in page.

    Raises:
        Http404: always.
    """
    raise Http404


urlpatterns = [
    # Agents, by their keys.
    path("v1/actions", actions.ActionsView.as_view()),
    path("v1/actions/<uuid:action_id>", actions.ActionView.as_view()),
    path("v1/actions/<uuid:action_id>/redeem", actions.RedeemView.as_view()),
    path("v1/actions/<uuid:action_id>/outcome", actions.OutcomeView.as_view()),
    path("v1/self", selves.SelfView.as_view()),
    path("v1/commands", selves.CommandsView.as_view()),
    path("v1/commands/<uuid:command_id>/ack", selves.AckView.as_view()),
    path("v1/ingest", reports.IngestView.as_view()),
    # Both: people read, agents report.
    path("v1/runs", runs.RunsView.as_view()),
    path("v1/runs/<str:run>", runs.RunView.as_view()),
    path("v1/runs/<str:run>/steps", runs.StepsView.as_view()),
    # People, by their sessions.
    path("v1/runs/<str:run>/steps/<uuid:id>", runs.StepView.as_view()),
    path("v1/failures", runs.FailuresView.as_view()),
    path("v1/failures/<uuid:id>", runs.FailureView.as_view()),
    path("v1/agents", agents.AgentsView.as_view()),
    path("v1/agents/<slug:slug>", agents.OneAgentView.as_view()),
    path("v1/agents/<slug:slug>/pause", agents.PauseView.as_view()),
    path("v1/agents/<slug:slug>/resume", agents.ResumeView.as_view()),
    path("v1/agents/<slug:slug>/commands", agents.AgentCommandsView.as_view()),
    path("v1/agents/<slug:slug>/commands/<uuid:id>", agents.AgentCommandView.as_view()),
    path("v1/keys", agents.KeysView.as_view()),
    path("v1/keys/<slug:public_id>", agents.KeyView.as_view()),
    path("v1/versions", versions.VersionsView.as_view()),
    path("v1/versions/<int:id>", versions.VersionView.as_view()),
    path("v1/versions/<int:id>/discard", versions.DiscardView.as_view()),
    path("v1/kill-switches", kills.KillSwitchesView.as_view()),
    path("v1/kill-switches/<int:id>", kills.KillSwitchView.as_view()),
    path("v1/kill-switches/<int:id>/lift", kills.LiftView.as_view()),
    path("v1/kill-switches/<int:id>/exemptions", kills.ExemptionsView.as_view()),
    path("v1/kill-switches/<int:id>/exemptions/<slug:agent>", kills.ExemptionView.as_view()),
    path("v1/releases", versions.ReleasesView.as_view()),
    path("v1/releases/<int:id>", versions.ReleaseView.as_view()),
    path("v1/releases/rollback", versions.RollBackView.as_view()),
    path("v1/policies", policies.PoliciesView.as_view()),
    path("v1/policies/simulate", simulating.SimulateView.as_view()),
    path("v1/policies/<int:number>", policies.RevisionView.as_view()),
    path("v1/policies/<int:number>/publish", policies.PublishView.as_view()),
    path("v1/policies/<int:number>/rollback", policies.RestoreView.as_view()),
    path("v1/policies/<int:number>/replays", replays.ReplaysView.as_view()),
    path("v1/replays/<uuid:id>", replays.ReplayView.as_view()),
    path("v1/replays/<uuid:id>/cancel", replays.CancelReplayView.as_view()),
    path("v1/triggers", triggers.TriggersView.as_view()),
    path("v1/triggers/<slug:slug>", triggers.TriggerView.as_view()),
    path("v1/triggers/<slug:slug>/try", triggers.TryTriggerView.as_view()),
    path("v1/triggers/<slug:slug>/firings", triggers.FiringsView.as_view()),
    path("v1/firings/<uuid:id>/rearm", triggers.RearmView.as_view()),
    path("v1/decisions", decisions.DecisionsView.as_view()),
    path("v1/decisions/<uuid:id>", decisions.DecisionView.as_view()),
    path("v1/approvals", approvals.ApprovalsView.as_view()),
    path("v1/approvals/<uuid:id>", approvals.ApprovalView.as_view()),
    path("v1/approvals/<uuid:id>/votes", approvals.VotesView.as_view()),
    path("v1/approvals/<uuid:id>/action", approvals.HeldActionView.as_view()),
    path("v1/reviewers", measures.ReviewersView.as_view()),
    path("v1/queue-loads", measures.QueueLoadsView.as_view()),
    path("v1/grants/<uuid:id>", grants.GrantView.as_view()),
    path("v1/grants/<uuid:id>/revoke", grants.RevokeView.as_view()),
    path("v1/usage", spend.UsagesView.as_view()),
    path("v1/usage/<uuid:id>", spend.UsageView.as_view()),
    path("v1/budgets", spend.BudgetsView.as_view()),
    path("v1/budgets/<slug:slug>", spend.BudgetView.as_view()),
    path("v1/webhooks", endpoints.EndpointsView.as_view()),
    path("v1/webhooks/<uuid:id>", endpoints.EndpointView.as_view()),
    path("v1/webhooks/<uuid:id>/secret", endpoints.RotateView.as_view()),
    path("v1/webhooks/<uuid:id>/enable", endpoints.EnableView.as_view()),
    path("v1/webhooks/<uuid:id>/disable", endpoints.DisableView.as_view()),
    path("v1/webhooks/<uuid:id>/test", endpoints.TryEndpointView.as_view()),
    path("v1/webhooks/<uuid:id>/replay", endpoints.ReplayDeadView.as_view()),
    path("v1/deliveries", endpoints.DeliveriesView.as_view()),
    path("v1/deliveries/<uuid:id>", endpoints.DeliveryView.as_view()),
    path("v1/deliveries/<uuid:id>/retry", endpoints.RetryView.as_view()),
    path("v1/deliveries/<uuid:id>/cancel", endpoints.CancelDeliveryView.as_view()),
    path("v1/audit", trail.EntriesView.as_view()),
    path("v1/audit/<uuid:id>", trail.EntryView.as_view()),
    # Anyone.
    path("schema", schema.schema),
    path("docs", schema.docs),
    re_path(r"^(?P<rest>[\s\S]*)$", nothing),
]
