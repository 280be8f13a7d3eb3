"""The API: agents by their keys, people by their sessions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from approvals.models import ActionRevision
from controlplane.delivery.operations import digest_of
from policies.models import Decision
from policies.operations.triggers import definition_of
from tests.controlplane.api.scene import run, step
from tests.matrix.places import FORM
from tests.matrix.rows import ALL, READERS, acts, anybody, by_key, lists, reads, to

_WHY = {"reason": "because"}
_KEYED = {"Idempotency_Key": "matrix-1"}
_GRANT = f"{READERS} approver"
_SEEN = {"If_Match": '"1"'}
_MEASURES = "admin operator auditor"
_CONNECTED = "admin operator"
_HOOK = {"name": "matrix", "url": "https://93.184.216.34/hook"}


def _digest(decision: Decision) -> dict[str, str]:
    return {"digest": decision.digest}


def _vote(held: Any) -> dict[str, str]:
    return {"verdict": "approve", "digest": ActionRevision.objects.get(request=held, number=1).digest}


def _revision(draft: Any) -> dict[str, str]:
    return {"If_Match": f'"{draft.digest}"'}


def _webhook(endpoint: Any) -> dict[str, str]:
    return {"If_Match": f'"{digest_of(endpoint)}"'}


def _trigger(trigger: Any) -> dict[str, str]:
    return {"If_Match": f'"{definition_of(trigger).full_digest}"'}


def _reported(event_id: str) -> dict[str, Any]:
    report = run(event_id)
    report.pop("type")
    return report


def _step(reported: Any) -> dict[str, Any]:
    report = step(f"matrix-{reported.pk}", "")
    del report["type"], report["run_id"]
    return report


ROWS = (
    # Agents, by their keys.
    by_key("api/v1/actions", to("POST", body=FORM, headers=_KEYED)),
    by_key("api/v1/actions/<uuid:action_id>", to("GET"), to("DELETE"), on="held decision"),
    by_key("api/v1/actions/<uuid:action_id>/redeem", to("POST", body=_digest, headers=_KEYED), on="approved decision"),
    by_key("api/v1/actions/<uuid:action_id>/outcome", to("POST", body={"status": "succeeded"}), on="decision"),
    by_key("api/v1/self", to("GET"), late=True),
    by_key("api/v1/commands", to("GET"), scope=False),
    by_key("api/v1/commands/<uuid:command_id>/ack", to("POST", body={"status": "succeeded"}), on="command",
           scope=False),
    by_key("api/v1/ingest", to("POST", body={"items": [run("matrix")]})),
    # Both: people read, agents report.
    lists("api/v1/runs", to("POST", 201, body=_reported("matrix")), door="both"),
    reads("api/v1/runs/<str:run>", "run", to("PATCH", body={"task": "matrix"}), door="both"),
    reads("api/v1/runs/<str:run>/steps", "run", to("POST", 201, body=_step), door="both"),
    # People.
    reads("api/v1/runs/<str:run>/steps/<uuid:id>", "step"),
    lists("api/v1/failures"),
    reads("api/v1/failures/<uuid:id>", "failure"),
    lists("api/v1/agents"),
    reads("api/v1/agents/<slug:slug>", "agent"),
    acts("api/v1/agents/<slug:slug>/pause", "agent", to("POST", may="admin operator owner", body=_WHY)),
    acts("api/v1/agents/<slug:slug>/resume", "paused", to("POST", may="admin operator", body={})),
    reads("api/v1/agents/<slug:slug>/commands", "agent",
          to("POST", 201, may="admin operator", body={"kind": "stop"})),
    reads("api/v1/agents/<slug:slug>/commands/<uuid:id>", "command"),
    lists("api/v1/keys"),
    reads("api/v1/keys/<slug:public_id>", "key"),
    lists("api/v1/versions", to("POST", 201, may="admin operator", see=READERS,
                                body={"agent": "own-agent", "definition": {"n": 9}})),
    reads("api/v1/versions/<int:id>", "version"),
    acts("api/v1/versions/<int:id>/discard", "draft", to("POST", may="admin operator")),
    lists("api/v1/kill-switches",
          to("POST", 201, may="admin operator", body={"scope": "tag", "value": "own", "reason": "because"})),
    reads("api/v1/kill-switches/<int:id>", "switch", see=ALL),
    acts("api/v1/kill-switches/<int:id>/lift", "switch",
         to("POST", may="admin operator", body={}, see=READERS), see=ALL),
    acts("api/v1/kill-switches/<int:id>/exemptions", "switch",
         to("POST", 409, may="admin operator", see=READERS,
            body={"agent": "own-stopped", "reason": "because"}), see=ALL),
    replace(acts("api/v1/kill-switches/<int:id>/exemptions/<slug:agent>", "switch", to("DELETE", 404, refused=404),
                 see=ALL), values={"agent": "own-stopped"}),
    lists("api/v1/releases", to("POST", 201, may="admin operator", see=READERS,
                                body={"agent": "own-agent", "version": 3, "environment": "staging"})),
    reads("api/v1/releases/<int:id>", "release"),
    acts("api/v1/releases/rollback", "", to("POST", 201, may="admin operator",
                                            body={"agent": "own-agent", "environment": "production"})),
    lists("api/v1/policies", to("POST", 201, may="admin operator owner", body={"policies": {}})),
    acts("api/v1/policies/simulate", "", to("POST", may=READERS, body={"agent": "own-agent", "action": FORM})),
    reads("api/v1/policies/<int:number>", "policy draft",
          to("PUT", may="admin", body={"policies": {}}, headers=_revision),
          to("DELETE", 204, may="admin", headers=_revision), common=True),
    acts("api/v1/policies/<int:number>/publish", "policy draft", to("POST", may="admin", body=_WHY, headers=_revision),
         common=True),
    acts("api/v1/policies/<int:number>/rollback", "earlier policies", to("POST", 201, may="admin", body=_WHY),
         common=True),
    reads("api/v1/policies/<int:number>/replays", "policy draft",
          to("POST", 201, may="admin operator owner", body={}), common=True),
    reads("api/v1/replays/<uuid:id>", "replay", see="admin operator auditor"),
    acts("api/v1/replays/<uuid:id>/cancel", "replay", to("POST", may="admin operator"), see="admin operator auditor"),
    lists("api/v1/triggers", to("POST", 201, may="admin operator", see=READERS,
                                body={"slug": "new", "count": "denials", "agent": "own-agent", "more_than": 9,
                                      "per": "1h"})),
    reads("api/v1/triggers/<slug:slug>", "trigger",
          to("PUT", may="admin operator", body={"count": "denials", "agent": "own-agent", "more_than": 9,
                                                "per": "1h"}, headers=_trigger)),
    acts("api/v1/triggers/<slug:slug>/try", "trigger", to("POST", may="admin operator")),
    reads("api/v1/triggers/<slug:slug>/firings", "trigger"),
    acts("api/v1/firings/<uuid:id>/rearm", "firing", to("POST", may="admin operator")),
    lists("api/v1/decisions"),
    reads("api/v1/decisions/<uuid:id>", "decision"),
    lists("api/v1/approvals"),
    reads("api/v1/approvals/<uuid:id>", "held", see=ALL),
    acts("api/v1/approvals/<uuid:id>/votes", "held",
         to("POST", may="operator owner reviewer", body=_vote, headers=_SEEN), see=ALL),
    replace(lists("api/v1/reviewers", see=_MEASURES), hidden=403),
    replace(lists("api/v1/queue-loads", see=_MEASURES), hidden=403),
    acts("api/v1/approvals/<uuid:id>/action", "held",
         to("PUT", may="operator owner reviewer", body={"units": 1}, headers=_SEEN), see=ALL),
    reads("api/v1/grants/<uuid:id>", "grant", see=_GRANT),
    acts("api/v1/grants/<uuid:id>/revoke", "grant", to("POST", may="admin operator approver", body=_WHY),
         see=_GRANT),
    lists("api/v1/usage"),
    reads("api/v1/usage/<uuid:id>", "usage"),
    lists("api/v1/budgets"),
    reads("api/v1/budgets/<slug:slug>", "budget", see="admin operator auditor"),
    lists("api/v1/webhooks", to("POST", 201, may="admin operator", body={**_HOOK, "team": "talent"})),
    reads("api/v1/webhooks/<uuid:id>", "webhook", to("PUT", may="admin operator", body=_HOOK, headers=_webhook),
          to("DELETE", 409, may="admin operator"), see=_CONNECTED),
    acts("api/v1/webhooks/<uuid:id>/secret", "webhook", to("POST", 201, may=_CONNECTED), see=_CONNECTED),
    acts("api/v1/webhooks/<uuid:id>/enable", "stopped webhook", to("POST", may=_CONNECTED), see=_CONNECTED),
    acts("api/v1/webhooks/<uuid:id>/disable", "webhook", to("POST", may=_CONNECTED, body={}), see=_CONNECTED),
    acts("api/v1/webhooks/<uuid:id>/test", "webhook", to("POST", 201, may=_CONNECTED), see=_CONNECTED),
    acts("api/v1/webhooks/<uuid:id>/replay", "webhook", to("POST", may=_CONNECTED), see=_CONNECTED),
    lists("api/v1/deliveries"),
    reads("api/v1/deliveries/<uuid:id>", "delivery", see=_CONNECTED),
    acts("api/v1/deliveries/<uuid:id>/retry", "delivery", to("POST", may=_CONNECTED), see=_CONNECTED),
    acts("api/v1/deliveries/<uuid:id>/cancel", "delivery", to("POST", may=_CONNECTED), see=_CONNECTED),
    lists("api/v1/audit"),
    reads("api/v1/audit/<uuid:id>", "entry"),
    # Anyone.
    anybody("api/schema"),
    anybody("api/docs"),
    anybody(r"api/^(?P<rest>[\s\S]*)$", "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", done=404),
)  # fmt: skip
