"""Revoking a grant, writing a draft, a trigger or a webhook anew: each by those who may, and over what was read."""

from __future__ import annotations

import uuid

import pytest

from approvals.models import Grant
from audit import sql
from audit.models import Entry
from policies.operations import publish_set
from tests.controlplane.api.callers import agent, nobody, person, pointers, problem
from tests.controlplane.api.scene import Scene
from tests.reviewing import read_and_vote

pytestmark = pytest.mark.slow

FORMS = {"forms": {"rules": [{"allow": {"name": "all", "verb": "form.submit"}}]}}


def approve(scene: Scene) -> Grant:
    """Approve what is held; return the grant."""
    held = scene.held
    read_and_vote(held, by=scene.world.reviewer)
    return Grant.objects.get(approval=held)


def test_a_grant_is_revoked_by_its_approver_and_by_operators(scene: Scene) -> None:
    grant = approve(scene)
    path, why = f"/grants/{grant.pk}/revoke", {"reason": "A mistake"}
    for who in ("stranger", "second"):
        problem(person(getattr(scene.world, who)).send("POST", path, why), 404, "not_found")
    for who in ("owner", "auditor"):
        problem(person(getattr(scene.world, who)).send("POST", path, why), 403, "forbidden")
    problem(nobody().send("POST", path, why), 401)
    problem(agent(scene.world.text).send("POST", path, why), 401)
    caller = person(scene.world.reviewer)
    shown = caller.get(f"/approvals/{scene.held.pk}").json()["grant"]
    assert (shown["id"], shown["state"]) == (str(grant.pk), "issued")
    assert caller.get(f"/grants/{grant.pk}").json()["executor"] == "job-applier"
    for body, pointer in (({}, "/reason"), ({"reason": ""}, "/reason"), ({"reason": "x", "more": 1}, "/more")):
        assert pointers(problem(caller.send("POST", path, body), 422))[0][0] == pointer
    assert caller.send("POST", path, why).json()["state"] == "revoked"
    problem(person(scene.world.operator).send("POST", path, why), 409)
    problem(caller.send("POST", f"/grants/{uuid.uuid4()}/revoke", why), 404)
    entry = Entry.objects.get(kind="grant.revoked")
    assert (entry.actor_id, entry.object_id) == ("talent-reviewer", str(grant.pk))


def test_a_draft_is_written_anew_over_what_was_read(scene: Scene) -> None:
    caller = person(scene.world.operator)
    drafted = caller.send("POST", "/policies", {"policies": {}})
    path, tag = f"/policies/{drafted.json()['number']}", drafted["ETag"]
    assert caller.get(path)["ETag"] == tag
    problem(caller.send("PUT", path, {"policies": FORMS}), 428)
    for odd in ("*", '"x"', f"W/{tag}", f"{tag}, {tag}"):
        problem(caller.send("PUT", path, {"policies": FORMS}, If_Match=odd), 412)
    problem(person(scene.world.owner).send("PUT", path, {"policies": FORMS}, If_Match=tag), 403)
    problem(person(scene.world.reviewer).send("PUT", path, {"policies": FORMS}, If_Match=tag), 404)
    bad = caller.send("PUT", path, {"policies": {"forms": {"rules": [{"allow": {}}]}}}, If_Match=tag)
    assert pointers(problem(bad, 422))[0][0].startswith("/policies/forms/rules/0")
    saved = caller.send("PUT", path, {"policies": FORMS}, If_Match=tag)
    assert (saved.status_code, saved.json()["base"]) == (200, 1)
    assert saved["ETag"] != tag
    problem(caller.send("PUT", path, {"policies": {}}, If_Match=tag), 412, "draft_changed")
    problem(caller.send("DELETE", path, If_Match=tag), 412)
    problem(caller.send("DELETE", path), 428)
    assert caller.send("DELETE", path, If_Match=saved["ETag"]).status_code == 204
    problem(caller.send("PUT", path, {"policies": {}}, If_Match=saved["ETag"]), 409)


def test_a_draft_over_a_base_that_moved_is_not_published(scene: Scene) -> None:
    caller = person(scene.world.admin)
    drafted = caller.send("POST", "/policies", {"policies": FORMS})
    other = {"other": {"rules": [{"forbid": {"name": "x", "verb": "report.read"}}]}}
    publish_set(policies=other, queues=["outreach"], by=scene.world.admin, now=sql.now(), reason="Meanwhile")
    path = f"/policies/{drafted.json()['number']}/publish"
    problem(caller.send("POST", path, {"reason": "x"}, If_Match=drafted["ETag"]), 412, "base_moved")
    again = caller.send("PUT", path.removesuffix("/publish"), {"policies": FORMS}, If_Match=drafted["ETag"])
    published = caller.send("POST", path, {"reason": "x"}, If_Match=again["ETag"])
    assert published.json()["state"] == "published"


def test_a_trigger_is_written_anew_over_what_was_read(scene: Scene) -> None:
    caller, fields = person(scene.world.operator), {"count": "denials", "agent": "job-applier", "per": "1h"}
    made = caller.send("POST", "/triggers", {**fields, "slug": "many", "more_than": 9})
    tag = made["ETag"]
    assert (made.status_code, caller.get("/triggers/many")["ETag"]) == (201, tag)
    problem(caller.send("POST", "/triggers", {**fields, "slug": "many", "more_than": 3}), 409, "conflict")
    for mode in ("warn", "enforce"):
        early = caller.send("PUT", "/triggers/many", {**fields, "more_than": 9, "mode": mode}, If_Match=tag)
        assert pointers(problem(early, 422)) == [("/mode", "not_tried")]
    assert caller.send("POST", "/triggers/many/try")["ETag"] == tag
    problem(caller.send("PUT", "/triggers/many", {**fields, "more_than": 8}), 428, "precondition_required")
    for odd in ("*", '"x"', f"W/{tag}", f"{tag}, {tag}"):
        problem(caller.send("PUT", "/triggers/many", {**fields, "more_than": 8}, If_Match=odd), 412)
    saved = caller.send("PUT", "/triggers/many", {**fields, "more_than": 8}, If_Match=tag)
    assert (saved.status_code, saved["ETag"] != tag) == (200, True)
    late = caller.send("PUT", "/triggers/many", {**fields, "more_than": 7}, If_Match=tag)
    problem(late, 412, "trigger_changed")
    assert caller.get("/triggers/many").json()["document"]["more_than"] == 8
    problem(person(scene.world.owner).send("PUT", "/triggers/many", {**fields, "more_than": 7}, If_Match=tag), 403)
    problem(person(scene.world.stranger).send("PUT", "/triggers/many", {}, If_Match=tag), 404)


def test_a_simulation_names_the_nearest_rules(scene: Scene) -> None:
    action = {"verb": "form.submit", "payload": {"url": "https://else.example/x"}}
    told = person(scene.world.operator).send("POST", "/policies/simulate", {"agent": "job-applier", "action": action})
    nearest = told.json()["nearest"]
    assert (nearest[0]["rule"], nearest[0]["misses"][0]["selector"]) == ("submit", "destination")
    assert told.json()["obligations"] == []


def test_a_webhook_is_changed_over_what_was_read(scene: Scene) -> None:
    caller, fields = person(scene.world.operator), {"name": "hook", "url": "https://93.184.216.34/hook"}
    made = caller.send("POST", "/webhooks", {**fields, "team": "talent"})
    path, tag = f"/webhooks/{made.json()['id']}", made["ETag"]
    assert (made.status_code, caller.get(path)["ETag"]) == (201, tag)
    # Its state and its secret are not what is written.
    assert caller.send("POST", f"{path}/secret")["ETag"] == tag
    assert caller.send("POST", f"{path}/disable", {"reason": "moving"})["ETag"] == tag
    problem(caller.send("PUT", path, {**fields, "name": "mine"}), 428, "precondition_required")
    problem(caller.send("PUT", path, {**fields, "name": "mine"}, If_Match="*"), 412)
    saved = caller.send("PUT", path, {**fields, "name": "mine"}, If_Match=tag)
    assert (saved.status_code, saved["ETag"] != tag) == (200, True)
    problem(caller.send("PUT", path, {**fields, "name": "late"}, If_Match=tag), 412, "webhook_changed")
    assert caller.get(path).json()["name"] == "mine"
    problem(person(scene.world.stranger).send("PUT", path, fields, If_Match=tag), 404)
