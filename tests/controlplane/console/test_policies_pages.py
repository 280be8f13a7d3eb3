"""Policies: drafts written, tested, tried, published, compared and rolled back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.urls import reverse

from audit.models import Entry
from controlplane.console.admins import list_of, page_of
from policies.models import Decision, Revision
from policies.operations import publish_set, save_draft
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import POLICIES, SCRIPT, Scene

pytestmark = pytest.mark.slow

FORMS: dict[str, Any] = {"forms": {"rules": [{"allow": {"name": "all", "verb": "form.submit"}}]}}
TEST = {"action": {"verb": "form.submit", "payload": {"url": "https://a.example/x"}}, "expect": "deny"}


def draft(scene: Scene, document: dict[str, Any] | None = None, *, by: str = "admin") -> Revision:
    return save_draft(policies=document or FORMS, by=getattr(scene.world, by), now=scene.now, reason="Try")


def publish(scene: Scene, document: dict[str, Any]) -> None:
    publish_set(policies=document, queues=["outreach"], by=scene.world.admin, now=scene.now, reason="Meanwhile")


def test_the_list_says_what_each_policy_did_in_a_week(scene: Scene, visit: Visit) -> None:
    scene.hold()
    scene.ask(verb="form.submit", units=1, payload={"url": "https://jobs.example.com/x"})
    scene.ask(verb="form.submit", units=60, payload={"url": "https://jobs.example.com/x"})
    shown = visit(scene.world.operator).get(list_of(Revision)).content.decode()
    url = f"{list_of(Decision)}?effect__exact=deny&amp;since=7d&amp;policy=job-applications"
    assert f'<a href="{url}">1</a>' in shown
    rows = visit(scene.world.operator).get(url.replace("&amp;", "&")).content.decode()
    assert "60 at once are too many" in rows
    assert "field-asked" in rows
    assert rows.count('class="field-answer') == 1
    foreign = visit(scene.world.stranger).get(list_of(Revision)).content.decode()
    assert f'<a href="{url}">0</a>' in foreign


def test_a_draft_is_edited_by_its_author_and_by_administrators(scene: Scene, visit: Visit) -> None:
    row = draft(scene, by="operator")
    url = page_of(row, "edit")
    read = {"seen": row.digest, "reason": ""}
    assert visit(scene.world.owner).post(url, {"document": "{}", **read}).status_code == 403
    assert visit(scene.world.auditor).get(url).status_code == 403
    assert visit(scene.world.reviewer).get(url).status_code in {403, 404}
    client = visit(scene.world.operator)
    assert "form.submit" in client.get(url).content.decode()
    changed = json.dumps({"forms": {"rules": [{"forbid": {"name": "none", "verb": "form.submit"}}]}})
    assert client.post(url, {"document": changed, **read}).status_code == 302
    row.refresh_from_db()
    assert list(row.document["forms"]["rules"][0]) == ["forbid"]
    entry = Entry.objects.get(kind="policy_revision.redrafted")
    assert (entry.actor_id, entry.before_digest, entry.after_digest) == ("talent-operator", read["seen"], row.digest)
    # The same page, sent again from another tab, has been overtaken.
    again = visit(scene.world.admin).post(url, {"document": "{}", **read})
    assert again.status_code == 412
    assert "saved by somebody else" in again.content.decode()


def test_defects_are_told_by_their_lines_and_the_text_is_kept(scene: Scene, visit: Visit) -> None:
    row = draft(scene)
    text = f"forms:\n  rules:\n    - allow: {{name: all, verb: form.submit}}\n    - allow: {{nme: '{SCRIPT}'}}\n"
    answer = visit(scene.world.admin).post(page_of(row, "edit"), {"document": text, "seen": row.digest})
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert "<strong>Line 4</strong>" in shown
    assert SCRIPT not in shown
    assert "nme:" in shown
    broken = visit(scene.world.admin).post(page_of(row, "edit"), {"document": "a: [", "seen": row.digest})
    assert broken.status_code == 422
    assert "Line 1" in broken.content.decode()


def test_tests_run_on_demand_and_gate_publishing(scene: Scene, visit: Visit) -> None:
    row = draft(scene, {"forms": {**FORMS["forms"], "tests": [TEST, {**TEST, "expect": "allow"}]}})
    client = visit(scene.world.admin)
    assert 'id="tests"' not in client.get(page_of(row)).content.decode()
    shown = client.get(f"{page_of(row)}?tests=run").content.decode()
    assert "Tests: 2 run, 1 failed" in shown
    assert shown.count("✓ passed") == shown.count("✕ failed") == 1
    opened = client.get(page_of(row, "publish")).content.decode()
    assert "✕ 1 of its 2 tests fail: publishing is refused." in opened
    assert client.post(page_of(row, "publish"), {"reason": "x", "seen": row.digest}).status_code == 422
    row.refresh_from_db()
    assert row.state == "draft"


def test_the_checklist_names_the_effect_and_how_many_agents(scene: Scene, visit: Visit) -> None:
    document = {**POLICIES, **FORMS}
    opened = visit(scene.world.admin).get(page_of(draft(scene, document), "publish")).content.decode()
    assert "From the next request on it adds forms, for 1 agent." in opened
    assert "✓ All 1 of its tests pass." in opened
    assert "✓ It was written over what is in force (r1)." in opened


def test_a_draft_over_a_base_that_moved_is_not_published(scene: Scene, visit: Visit) -> None:
    row = draft(scene)
    publish(scene, {"other": {"rules": [{"forbid": {"name": "x", "verb": "report.read"}}]}})
    client = visit(scene.world.admin)
    shown = client.get(page_of(row)).content.decode()
    assert "r2 was written over r1; r3 is in force now." in shown
    assert client.get(page_of(row, "publish")).status_code == 412
    refused = client.post(page_of(row, "publish"), {"reason": "x", "seen": row.digest})
    assert refused.status_code == 412
    assert Revision.objects.get(state="published").number == 3
    text = client.get(page_of(row, "edit")).content.decode()
    assert "over what is in force now (r3)" in text
    saved = client.post(page_of(row, "edit"), {"document": json.dumps(FORMS), "seen": row.digest, "reason": ""})
    assert saved.status_code == 302
    assert client.post(page_of(row, "publish"), {"reason": "x", "seen": row.digest}).status_code == 302
    assert Revision.objects.get(state="published").number == 2


def test_a_text_that_changed_since_it_was_read_is_not_published(scene: Scene, visit: Visit) -> None:
    row = draft(scene)
    answer = visit(scene.world.admin).post(page_of(row, "publish"), {"reason": "x", "seen": "0" * 64})
    assert answer.status_code == 412
    assert Revision.objects.get(state="published").number == 1


def test_any_two_revisions_are_compared(scene: Scene, visit: Visit) -> None:
    row = draft(scene, {**POLICIES, **FORMS})
    publish(scene, {"other": {"rules": [{"forbid": {"name": "x", "verb": "report.read"}}]}})
    client = visit(scene.world.auditor)
    assert "Diff: r3 → r2" in client.get(page_of(row)).content.decode()
    shown = client.get(f"{page_of(row)}?against=1").content.decode()
    assert "Diff: r1 → r2" in shown
    assert "added: " in shown
    for odd in ("9", "x", "²", "9" * 30, "-1"):
        assert client.get(page_of(row), {"against": odd}).status_code == 200, odd


def ask(**fields: Any) -> dict[str, Any]:
    """Return a filled-in question."""
    known = {
        "agent": "job-applier", "environment": "production", "verb": "form.submit", "destination": "", "units": "",
        "amount_value": "", "amount_currency": "", "data_classes": "", "payload": "", "at": "", "revision": "",
    }  # fmt: skip
    return {**known, **fields}


def test_what_would_happen_if_is_answered_and_never_recorded(scene: Scene, visit: Visit) -> None:
    client, url = visit(scene.world.operator), reverse("admin:policies_revision_try")
    before = (Decision.objects.count(), Entry.objects.count())
    payload = json.dumps({"url": "https://jobs.example.com/x"})
    shown = client.post(url, ask(payload=payload)).content.decode()
    assert "job-applications allows this (rule submit)." in shown
    assert "a trial: nothing was recorded" in shown
    assert "of 200 in 86400 s" in shown
    elsewhere = client.post(url, ask(payload=json.dumps({"url": "https://evil.test/x"}))).content.decode()
    assert "Nearly" in elsewhere
    assert "not about https://evil.test/x" in elsewhere
    judged = draft(scene)
    by_draft = client.post(url, ask(payload=payload, revision=str(judged.number))).content.decode()
    assert "forms allows this (rule all)." in by_draft
    assert (Decision.objects.count(), Entry.objects.exclude(kind="policy_revision.drafted").count()) == before


def test_a_trial_tells_obligations_and_takes_claims_of_provenance(scene: Scene, visit: Visit) -> None:
    client, url = visit(scene.world.operator), reverse("admin:policies_revision_try")
    rules = [
        {"allow": {"name": "all", "verb": "form.submit", "obligations": ["log:full"]}},
        {"forbid": {"name": "tainted", "provenance": {"at": "/url", "from": "web"}}},
        {"split": {"name": "drip", "distinct": "destination", "max": 3, "per": "1h"}},
    ]
    judged = str(draft(scene, {"forms": {"rules": rules}}).number)
    payload = json.dumps({"url": "https://a.example/x"})
    refused = client.post(url, ask(payload=payload, revision=judged)).content.decode()
    assert "forms forbids this (rule tainted)." in refused
    said = client.post(url, ask(payload=payload, revision=judged, provenance="/url user")).content.decode()
    assert "<code>log:full</code>" in said
    assert "1 destinations of 3 destinations in 3600 s" in said
    assert "/url: user" in said


def test_a_question_that_cannot_be_read_says_where(scene: Scene, visit: Visit) -> None:
    client, url = visit(scene.world.operator), reverse("admin:policies_revision_try")
    for fields, status in (
        ({"payload": "{"}, 400),
        ({"payload": '{"a": 1, "a": 2}'}, 422),
        ({"destination": "https://user@evil.test/"}, 422),
        ({"units": "0"}, 422),
        ({"agent": "nobody"}, 422),
        ({"at": "soon"}, 422),
        ({"amount_value": "1"}, 422),
        ({"provenance": "/url"}, 422),
        ({"provenance": "/url rumour"}, 422),
    ):
        assert client.post(url, ask(**fields)).status_code == status, fields
    foreign = visit(scene.world.stranger).post(url, ask())
    assert foreign.status_code == 422
    assert visit(scene.world.reviewer).get(url).status_code == 404
