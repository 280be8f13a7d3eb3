"""No page changes anything on GET, and every change is a POST with its token through an operation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import Entry, Verification
from controlplane.console.admins import list_of, page_of
from controlplane.console.map import PAGES, console
from policies.models import Revision
from registry.models import Agent, AgentKey, AgentVersion, Command, KillSwitch, Release, Team
from registry.operations import create_version
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.forms import over
from tests.world import PASSWORD

pytestmark = pytest.mark.slow

WRITES = ("INSERT", "UPDATE", "DELETE")


def _dialogs() -> list[tuple[str, str, bool]]:
    """Return label, word, and whether it is a dialog of the list."""
    found = []
    for model, pages in console()._registry.items():
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        found += [(label, word, False) for word in pages.dialogs]  # type: ignore[attr-defined]
        found += [(label, word, True) for word in pages.list_dialogs]  # type: ignore[attr-defined]
    return found


def _rows(scene: Scene) -> dict[str, Any]:
    approval = scene.hold()
    return {
        "registry_agent": scene.world.agent,
        "registry_agentkey": scene.world.key,
        "registry_agentversion": AgentVersion.objects.first(),
        "registry_team": scene.world.team,
        "approvals_approvalrequest": approval,
        "policies_revision": Revision.objects.first(),
    }


def test_no_dialog_writes_when_it_is_opened(scene: Scene, visit: Visit) -> None:
    rows, client = _rows(scene), visit(scene.world.admin)
    opened = 0
    for label, word, in_list in _dialogs():
        if not in_list and label not in rows:
            continue
        args = [] if in_list else [rows[label].pk]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = client.get(reverse(f"admin:{label}_{word}", args=args))
        opened += 1
        assert answer.status_code in {200, 403, 404, 409, 412}, (label, word)
        assert not [q["sql"] for q in queries if q["sql"].startswith(WRITES)], (label, word)
    assert opened >= 20


def test_lists_and_pages_take_no_post(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.admin)
    for model in PAGES:
        assert client.post(list_of(model), {"action": "delete_selected"}).status_code == 405, model
    assert client.post(page_of(scene.world.agent), {"state": "paused"}).status_code == 405
    assert client.post("/").status_code in {200, 405}


def test_stock_forms_have_no_address(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.admin)
    for rest in (
        "add/",
        f"{scene.world.agent.pk}/change/",
        f"{scene.world.agent.pk}/delete/",
        f"{scene.world.agent.pk}/history/",
    ):
        assert client.get(f"/registry/agent/{rest}").status_code == 404, rest


def test_a_post_without_its_token_changes_nothing(scene: Scene) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(scene.world.operator, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(page_of(scene.world.agent, "pause"), {"reason": "x"})
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.content.decode()
    scene.world.agent.refresh_from_db()
    assert scene.world.agent.state == "active"


def test_pause_and_resume(scene: Scene, visit: Visit) -> None:
    agent, client = scene.world.agent, visit(scene.world.operator)
    assert client.post(page_of(agent, "pause"), {"reason": ""}).status_code == 422
    assert client.post(page_of(agent, "pause"), {"reason": "Looks odd"}).status_code == 302
    agent.refresh_from_db()
    assert (agent.state, agent.state_reason) == ("paused", "Looks odd")
    assert "Looks odd" in client.get(page_of(agent)).content.decode()
    assert scene.ask(verb="form.submit", payload={"url": "https://jobs.example.com/apply"}).effect == "deny"
    again = client.post(page_of(agent, "pause"), {"reason": "Again"})
    assert again.status_code == 409
    assert "is paused and cannot become paused" in again.content.decode()
    owner = visit(scene.world.owner).post(page_of(agent, "resume"), {"reason": ""})
    assert owner.status_code == 403
    assert client.post(page_of(agent, "resume"), {"reason": ""}).status_code == 302
    agent.refresh_from_db()
    assert agent.state == "active"


def test_a_key_is_shown_once_and_kept_by_nobody(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.owner)
    data = {"environment": "staging", "scopes": ["act"], "days": "30"}
    answer = client.post(page_of(scene.world.agent, "issue-key"), data)
    key = AgentKey.objects.get(environment="staging")
    assert f"acp_live_{key.public_id}_" in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    page = client.get(page_of(key)).content.decode()
    secret = answer.content.decode().split(f"acp_live_{key.public_id}_")[1].split("<")[0]
    assert secret not in page
    assert client.post(page_of(key, "revoke"), {"reason": ""}).status_code == 302
    key.refresh_from_db()
    assert key.state == "revoked"


def test_commands_are_requested_and_said_to_be_no_more(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.operator)
    for word in ("start", "stop", "dispatch"):
        answer = client.post(page_of(scene.world.agent, word), {"parameters": '{"task": "apply"}'})
        assert answer.status_code == 302
        assert Command.objects.get(kind=word).state == "requested"
        assert client.post(page_of(scene.world.agent, word), {"parameters": "[1]"}).status_code == 422
    assert "nothing reported" in client.get(page_of(scene.world.agent)).content.decode()


def test_versions_are_drafted_promoted_and_rolled_back(scene: Scene, visit: Visit) -> None:
    agent, client = scene.world.agent, visit(scene.world.operator)
    client.post(page_of(agent, "draft"), {"definition": '{"prompt": "Politely."}', "note": "politer"})
    version = AgentVersion.objects.get(number=2)
    shown = client.get(page_of(version)).content.decode()
    assert "v1 (live in production) → v2" in shown
    edit = page_of(version, "edit")
    kinder = over(client, edit, {"definition": '{"prompt": "Kindly."}', "note": ""})
    assert client.post(edit, kinder).status_code == 302
    assert client.post(page_of(version, "promote"), {"environment": "production"}).status_code == 302
    assert Release.objects.get(state="live", environment="production").version_id == version.pk
    assert client.post(f"{page_of(agent, 'roll-back')}?environment=production").status_code == 302
    assert Release.objects.get(state="live", environment="production").version.number == 1
    refused = client.post(f"{page_of(agent, 'roll-back')}?environment=production")
    assert refused.status_code == 409
    assert "has no earlier version" in refused.content.decode()


def test_kill_switches_stop_an_agent_a_team_and_everything(scene: Scene, visit: Visit) -> None:
    operator, admin = visit(scene.world.operator), visit(scene.world.admin)
    assert operator.post(page_of(scene.world.agent, "kill"), {"reason": "Odd"}).status_code == 302
    assert operator.post(page_of(scene.world.team, "kill"), {"reason": "Odd"}).status_code == 302
    throw = reverse("admin:registry_killswitch_throw")
    everything = {"scope": "all", "value": "", "reason": "Fire"}
    assert admin.post(throw, everything).status_code == 422
    assert operator.post(throw, {**everything, "confirmation": "pause everything"}).status_code == 403
    assert admin.post(throw, {**everything, "confirmation": "pause everything"}).status_code == 302
    assert KillSwitch.objects.in_force().count() == 3
    home = admin.get("/").content.decode()
    assert "is paused</strong> by" in home
    for switch in KillSwitch.objects.all():
        assert admin.post(page_of(switch, "lift"), {"reason": ""}).status_code == 302
    assert not KillSwitch.objects.in_force().exists()


def test_policies_are_drafted_published_and_rolled_back(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.admin)
    draft = reverse("admin:policies_revision_draft")
    begun = client.get(draft).content.decode()
    assert "job-applications" in begun
    bad = client.post(draft, {"document": "job-applications: {rules: [{allow: {nme: x}}]}", "reason": ""})
    assert bad.status_code == 422
    document = json.dumps({"job-applications": {"rules": [{"allow": {"name": "all", "verb": "form.submit"}}]}})
    assert client.post(draft, {"document": document, "reason": "Simpler"}).status_code == 302
    revision = Revision.objects.get(state="draft")
    shown = client.get(page_of(revision)).content.decode()
    assert "r1 → r2" in shown
    read = {"seen": revision.digest}
    assert visit(scene.world.owner).post(page_of(revision, "publish"), {"reason": "x", **read}).status_code == 403
    assert client.post(page_of(revision, "publish"), {"reason": "Simpler", **read}).status_code == 302
    assert Revision.objects.get(state="published").number == 2
    first = Revision.objects.get(number=1)
    assert client.post(page_of(first, "roll-back"), {"reason": "No"}).status_code == 302
    assert Revision.objects.get(state="published").restores == 1


def test_the_trail_is_verified_by_post_only(scene: Scene, visit: Visit) -> None:
    url = reverse("admin:audit_entry_verify")
    visit(scene.world.auditor).get(url)
    assert not Verification.objects.exists()
    assert visit(scene.world.operator).post(url).status_code == 403
    assert visit(scene.world.auditor).post(url).status_code == 302
    assert Verification.objects.get().verdict == "intact"
    shown = visit(scene.world.auditor).get(list_of(Entry)).content.decode()
    assert "intact" in shown


def test_a_dialog_is_served_as_a_fragment_for_the_script(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.operator)
    part = client.get(page_of(scene.world.agent, "pause"), headers={"X-Console-Dialog": "1"}).content.decode()
    assert part.lstrip().startswith("<form")
    assert "csrfmiddlewaretoken" in part
    assert "<html" not in part


def test_drafts_of_others_are_not_promoted_by_those_who_do_not_operate(scene: Scene, visit: Visit) -> None:
    version = create_version(agent=scene.world.agent, definition={"a": 1}, by=scene.world.operator, now=scene.now)
    answer = visit(scene.world.auditor).post(page_of(version, "promote"), {"environment": "production"})
    assert answer.status_code == 403
    assert Team.objects.count() == 2
    assert Agent.objects.count() == 1


def test_a_person_changes_their_own_password_by_the_operation(scene: Scene, visit: Visit) -> None:
    client, url = visit(scene.world.owner), reverse("admin:password_change")
    new = "another horse battery staple"
    wrong = {"old_password": "no", "new_password1": new, "new_password2": new}
    assert client.post(url, wrong).status_code == 422
    assert client.post(url, {**wrong, "old_password": PASSWORD}).status_code == 302
    scene.world.owner.refresh_from_db()
    assert scene.world.owner.check_password(new)
    assert Entry.objects.filter(kind="person.password_changed", actor_id="talent-lead").count() == 1
    assert client.get("/").status_code == 200
