"""The console: pages, lists, dialogs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from approvals.models import ActionRevision
from runs.models import Step
from tests.matrix.rows import ALL, READERS, Row, anything, dialog, listing, nowhere, page, to
from tests.world import PASSWORD

_WORKS = "admin operator"
_ANSWERS = "admin operator owner"
_VOTES = "operator owner reviewer"


def _seen(held: Any) -> dict[str, Any]:
    return {"revision": 1, "digest": ActionRevision.objects.get(request=held, number=1).digest}


def _step(run: Any) -> dict[str, Any]:
    return {"step": Step.objects.get(run=run).pk}


def _register(places: Any) -> dict[str, Any]:
    world = places.world
    return {"slug": "matrix", "name": "Matrix", "owner": world.operator.pk, "team": world.team.pk}


def _transfer(agent: Any) -> dict[str, Any]:
    return {"owner": agent.team.members.exclude(pk=agent.owner_id).order_by("pk").first().pk}


def _password(_: Any) -> dict[str, Any]:
    return {"old_password": PASSWORD, "new_password1": PASSWORD + " 2", "new_password2": PASSWORD + " 2"}


def _overruled(held: Any) -> dict[str, Any]:
    return {**_seen(held), "reason": "because", "destination": "email:jane@acme.com"}


def _queue(places: Any) -> dict[str, Any]:
    return {"slug": "matrix", "reviewers": [places.world.team.pk]}


def _from_template(places: Any) -> dict[str, Any]:
    return {"template": "financial", "slug": "matrix-money", "reviewers": [places.world.team.pk]}


def _budget(_: Any) -> dict[str, Any]:
    return {"slug": "matrix", "whom": "organisation", "limit_usd": "1.00"}


def _connect(places: Any) -> dict[str, Any]:
    return {"name": "matrix", "url": "https://93.184.216.34/hook", "team": places.world.team.pk}


def _channel(_: Any) -> dict[str, Any]:
    return {"name": "matrix", "address": "jsons://93.184.216.34/x"}


_WHY = {"reason": "because"}
_PRICE = {"input": "1.00", "cache_read": "1.00", "cache_write": "1.00", "output": "1.00"}
_HELD = "approvals/approvalrequest/<str:object_id>/"
_GRANT = "approvals/grant/<str:object_id>/"
_HOOK = "delivery/endpoint/<str:object_id>/"
# A replay judges what its asker may see, so that it is theirs.
_ASKED = "admin operator auditor"
_REVISION = "policies/revision/<str:object_id>/"
_AGENT = "registry/agent/<str:object_id>/"
_VERSION = "registry/agentversion/<str:object_id>/"
_FAILURE = "runs/failure/<str:object_id>/"

ROWS = (
    # Held actions.
    listing("approvals/approvalrequest/", ALL),
    page(_HELD, "held", ALL),
    dialog(_HELD + "approve/", "held", may=_VOTES, see=ALL, query=_seen),
    dialog(_HELD + "reject/", "held", may=_VOTES, see=ALL, query=_seen, body={"comment": "no"}),
    dialog(_HELD + "edit/", "held", may=_VOTES, see=ALL, query=_seen, body={"data_classes": "legal"}),
    dialog(_HELD + "cancel/", "held", may=_WORKS, see=ALL, hides="reviewer"),
    dialog(_HELD + "revoke/", "closed request", may="admin operator approver", see=ALL),
    dialog(_HELD + "override/", "closed request", may=ALL, see=ALL),
    dialog(_HELD + "break-glass/", "held", may="", see=ALL, body=_WHY),
    dialog(_HELD + "overrule/", "held", may="", see=ALL, body=_overruled),
    dialog("approvals/approvalrequest/do/bulk/", may=ALL, see=ALL, idle=404),
    listing("approvals/grant/"),
    page(_GRANT, "grant"),
    dialog(_GRANT + "revoke/", "grant", may=_WORKS),
    dialog(_GRANT + "settle/", "silent grant", may=_WORKS, opens=READERS),
    listing("approvals/queue/", ALL),
    page("approvals/queue/<str:object_id>/", "queue", ALL),
    dialog("approvals/queue/do/create/", may=_WORKS, see=ALL, body=_queue, refused=422),
    dialog("approvals/queue/do/template/", may=_WORKS, see=ALL, body=_from_template, refused=422),
    listing("reviewers/", "admin operator auditor"),
    listing("settings/", "admin"),
    dialog("approvals/queue/<str:object_id>/edit/", "queue", may=_WORKS, see=ALL, body={"quorum": 2}),
    dialog("approvals/queue/<str:object_id>/delete/", "queue", may=_WORKS, see=ALL, done=409),
    # The trail.
    listing("audit/entry/"),
    page("audit/entry/<str:object_id>/", "entry"),
    dialog("audit/entry/do/verify/", may="admin auditor"),
    dialog("audit/entry/do/export/", may=READERS, done=200),
    # Connections.
    listing("delivery/endpoint/", _WORKS),
    page(_HOOK, "webhook", _WORKS),
    dialog("delivery/endpoint/do/create/", may=_WORKS, see=_WORKS, body=_connect, done=200),
    dialog(_HOOK + "edit/", "webhook", may=_WORKS, see=_WORKS),
    dialog(_HOOK + "rotate/", "webhook", may=_WORKS, see=_WORKS, done=200),
    dialog(_HOOK + "test/", "webhook", may=_WORKS, see=_WORKS),
    dialog(_HOOK + "enable/", "stopped webhook", may=_WORKS, see=_WORKS),
    dialog(_HOOK + "disable/", "webhook", may=_WORKS, see=_WORKS),
    dialog(_HOOK + "replay/", "webhook", may=_WORKS, see=_WORKS),
    dialog(_HOOK + "delete/", "stopped webhook", may=_WORKS, see=_WORKS),
    listing("delivery/delivery/", _WORKS),
    page("delivery/delivery/<str:object_id>/", "delivery", _WORKS),
    dialog("delivery/delivery/<str:object_id>/retry/", "delivery", may=_WORKS, see=_WORKS),
    dialog("delivery/delivery/<str:object_id>/cancel/", "delivery", may=_WORKS, see=_WORKS),
    listing("delivery/channel/", ALL),
    # Of each person their own: the operator's here.
    page("delivery/channel/<str:object_id>/", "channel", "operator"),
    dialog("delivery/channel/do/create/", may=ALL, see=ALL, body=_channel),
    dialog("delivery/channel/<str:object_id>/kinds/", "channel", may="operator", see="operator"),
    dialog("delivery/channel/<str:object_id>/test/", "channel", may="operator", see="operator"),
    dialog("delivery/channel/<str:object_id>/remove/", "channel", may="operator", see="operator"),
    # Money.
    listing("costs/budget/"),
    page("costs/budget/<str:object_id>/", "budget", "admin operator auditor"),
    dialog("costs/budget/do/create/", may="admin", opens=_ANSWERS, body=_budget, refused=422),
    dialog("costs/budget/<str:object_id>/change-terms/", "budget", may="admin", opens=_WORKS,
           see="admin operator auditor", body={"limit_usd": "300.00"}),
    dialog("costs/budget/<str:object_id>/raise/", "budget", may="admin", see="admin operator auditor",
           body={"amount_usd": "5.00", "until": "2099-01-01 00:00"}),
    listing("costs/modelprice/"),
    nowhere("costs/modelprice/<str:object_id>/", {"object_id": 0}, methods=("GET", "HEAD")),
    dialog("costs/modelprice/do/price/", may="admin", body=_PRICE, done=200),
    listing("costs/usage/"),
    page("costs/usage/<str:object_id>/", "usage"),
    # Policies.
    listing("policies/decision/"),
    page("policies/decision/<str:object_id>/", "decision"),
    dialog("policies/decision/<str:object_id>/override/", "decision", may=READERS),
    listing("policies/trigger/"),
    page("policies/trigger/<str:object_id>/", "trigger"),
    dialog("policies/trigger/do/create/", may="admin", opens=_WORKS),
    dialog("policies/trigger/<str:object_id>/edit/", "trigger", may=_WORKS, body={"note": "another"}),
    dialog("policies/trigger/<str:object_id>/try/", "trigger", may=_WORKS),
    listing("policies/firing/"),
    page("policies/firing/<str:object_id>/", "firing"),
    dialog("policies/firing/<str:object_id>/rearm/", "firing", may=_WORKS),
    listing("policies/replay/"),
    page("policies/replay/<str:object_id>/", "replay", _ASKED),
    dialog("policies/replay/<str:object_id>/cancel/", "replay", may="admin operator", see=_ASKED),
    listing("policies/revision/"),
    dialog(_REVISION + "replay/", "policies", may=_ANSWERS, common=True),
    page(_REVISION, "policies", common=True),
    dialog("policies/revision/do/draft/", may=_ANSWERS),
    dialog(_REVISION + "publish/", "policy draft", may="admin", opens=READERS, common=True),
    dialog(_REVISION + "roll-back/", "earlier policies", may="admin", opens=READERS, common=True),
    dialog(_REVISION + "discard/", "policy draft", may="admin", opens=READERS, common=True),
    dialog(_REVISION + "edit/", "policy draft", may="admin", common=True),
    dialog("policies/revision/do/try/", may=READERS, done=200),
    # Agents.
    listing("registry/agent/"),
    page(_AGENT, "agent"),
    dialog(_AGENT + "pause/", "agent", may=_ANSWERS),
    dialog(_AGENT + "resume/", "paused", may=_WORKS),
    dialog(_AGENT + "start/", "agent", may=_WORKS),
    dialog(_AGENT + "stop/", "agent", may=_WORKS),
    dialog(_AGENT + "dispatch/", "agent", may=_WORKS),
    dialog(_AGENT + "issue-key/", "helper", may=_ANSWERS, done=200),
    dialog(_AGENT + "callback-secret/", "agent", may=_ANSWERS, done=200),
    dialog(_AGENT + "draft/", "agent", may=_WORKS),
    dialog(_AGENT + "kill/", "agent", may=_WORKS),
    dialog(_AGENT + "contain/", "agent", may=_WORKS),
    dialog(_AGENT + "retire/", "agent", may=_WORKS),
    dialog(_AGENT + "roll-back/", "agent", may=_WORKS, body={"environment": "production"}),
    dialog("registry/agent/do/register/", may=_WORKS, body=_register, refused=422),
    dialog(_AGENT + "edit/", "agent", may=_WORKS, body={"purpose": "another"}),
    dialog(_AGENT + "transfer/", "agent", may=_ANSWERS, body=_transfer),
    dialog(_AGENT + "accept/", "agent", may=_WORKS, idle=404),
    dialog(_AGENT + "decline/", "agent", may=_WORKS, idle=404),
    dialog(_AGENT + "revert/", "agent", may=_WORKS, idle=404),
    replace(page(_AGENT + "releases/", "agent"), finds_first=True),
    listing("registry/agentkey/"),
    page("registry/agentkey/<str:object_id>/", "key"),
    dialog("registry/agentkey/<str:object_id>/revoke/", "key", may=_ANSWERS),
    dialog("registry/agentkey/<str:object_id>/rotate/", "spare key", may=_ANSWERS, done=200),
    listing("registry/agentversion/"),
    page(_VERSION, "version"),
    dialog(_VERSION + "promote/", "draft", may=_WORKS),
    dialog(_VERSION + "edit/", "draft", may=_WORKS),
    dialog(_VERSION + "discard/", "draft", may=_WORKS),
    listing("registry/command/"),
    page("registry/command/<str:object_id>/", "command"),
    listing("registry/killswitch/"),
    page("registry/killswitch/<str:object_id>/", "switch"),
    dialog("registry/killswitch/do/throw/", may=_WORKS, done=200,
           body={"scope": "tag", "value": "own"}),
    dialog("registry/killswitch/<str:object_id>/lift/", "switch", may=_WORKS),
    dialog("registry/killswitch/<str:object_id>/let-out/", "switch", may=_WORKS, done=409),
    dialog("registry/killswitch/<str:object_id>/put-back/", "switch", may=_WORKS, idle=404),
    listing("registry/release/"),
    page("registry/release/<str:object_id>/", "release"),
    # The directory.
    listing("registry/team/", ALL),
    page("registry/team/<str:object_id>/", "team", ALL),
    dialog("registry/team/<str:object_id>/kill/", "team", may=_WORKS, see=ALL),
    listing("registry/verb/", ALL),
    page("registry/verb/<str:object_id>/", "verb", ALL, common=True),
    listing("registry/user/", "admin"),
    page("registry/user/<str:object_id>/", "person", "admin", common=True),
    dialog("registry/team/do/create/", may="admin", see=ALL),
    dialog("registry/team/<str:object_id>/edit/", "team", may="admin", see=ALL, body={"name": "Another"}),
    dialog("registry/team/<str:object_id>/publish/", "team", may="admin", see=ALL),
    dialog("registry/team/<str:object_id>/delete/", "team", may="admin", see=ALL, done=409),
    dialog("registry/verb/do/create/", may="admin", see=ALL),
    dialog("registry/verb/<str:object_id>/edit/", "verb", may="admin", see=ALL, common=True,
           body={"capability": "write"}),
    dialog("registry/verb/<str:object_id>/try/", "verb", may=ALL, see=ALL, common=True, done=200,
           body={"payload": "{}"}),
    dialog("registry/verb/<str:object_id>/revert/", "verb", may="admin", see=ALL, common=True, idle=404),
    dialog("registry/user/do/create/", may="admin", see="admin", done=200),
    dialog("registry/user/<str:object_id>/edit/", "person", may="admin", see="admin", common=True),
    dialog("registry/user/<str:object_id>/deactivate/", "person", may="admin", see="admin", common=True),
    dialog("registry/user/<str:object_id>/reactivate/", "person", may="admin", see="admin", common=True),
    dialog("registry/user/<str:object_id>/reset-password/", "person", may="admin", see="admin", common=True, done=200),
    dialog("registry/user/<str:object_id>/break-glass/", "person", may="admin", see="admin", common=True),
    dialog("registry/user/<str:object_id>/pricing/", "person", may="admin", see="admin", common=True),
    dialog("registry/user/<str:object_id>/end-sessions/", "person", may="admin", see="admin", common=True),
    dialog("registry/user/<str:object_id>/open-log-in/", "person", may="admin", see="admin", common=True),
    dialog("registry/user/<str:object_id>/reset-factors/", "person", may="admin", see="admin", common=True),
    # Runs.
    listing("runs/run/"),
    page("runs/run/<str:object_id>/", "run"),
    dialog("runs/run/<str:object_id>/step/", "run", may="admin owner", done=200, query=_step),
    replace(page("runs/run/<str:object_id>/compare/", "run"), finds_first=True),
    listing("runs/failure/"),
    page(_FAILURE, "failure"),
    dialog(_FAILURE + "resolve/", "failure", may=_ANSWERS),
    dialog(_FAILURE + "reopen/", "resolved failure", may=_ANSWERS),
    dialog(_FAILURE + "mute/", "failure", may=_ANSWERS),
    dialog(_FAILURE + "unmute/", "failure", may=_ANSWERS),
    dialog(_FAILURE + "assign/", "failure", may=_ANSWERS),
    # What belongs to no model.
    anything("", _ANSWERS, refused=302),
    anything("search/"),
    anything("home/"),
    anything("live/", methods=("GET", "HEAD")),
    dialog("password_change/", may=ALL, see=ALL, body=_password),
    anything("password_change/done/", methods=("GET", "HEAD", "OPTIONS")),
    anything("jsi18n/", methods=("GET", "HEAD", "OPTIONS")),
    # Django's own, for no field of ours: it says nothing to anybody.
    Row("autocomplete/", "console", dict([
        to("GET", 403), to("HEAD", 403), to("OPTIONS"),
    ]), see=frozenset(ALL.split())),
    nowhere("r/<path:content_type_id>/<path:object_id>/", {"content_type_id": 0, "object_id": 0}),
    nowhere("views/<int:view_id>/forget/", {"view_id": 0}),
    anything("^(?P<app_label>approvals|audit|costs|policies|registry|delivery|runs)/$", done=302),
    dialog("demo/", may="admin", see=ALL, done=200),
    dialog("pause-everything/", may="admin", see=ALL, body={"confirmation": "pause everything"}),
    dialog("shortcuts/", may=ALL, see=ALL),
    dialog("clock/", may=ALL, see=ALL),
    dialog("delegate/", may=ALL, see=ALL, body={"to": "", "begins": "", "ends": ""}),
    # What it takes back stands in a signed token; without one there is nothing to do.
    Row("undo/", "console", dict([to("POST", 422)]), see=frozenset(ALL.split())),
    dialog("views/save/", may=READERS, query={"page": "registry.agent", "query": "state=paused"}),
)  # fmt: skip
