"""The page that says why, and the marks that people leave on decisions."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from approvals.models import Override
from audit.models import Entry
from controlplane.apply.loading import load
from controlplane.console.admins import list_of, page_of
from controlplane.console.policies.drafting import with_rule
from policies.compile import compile_set
from policies.language import parse
from policies.models import Decision, Revision
from policies.operations import publish_set
from policies.rehearsal import outcomes
from policies.snapshots import verbs_in_force
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import POLICIES, Scene

pytestmark = pytest.mark.slow


def block(shown: str, title: str) -> str:
    """Return the text that stands below a summary."""
    found = re.search(rf"<summary>{title}</summary><pre[^>]*>(.*?)</pre>", shown, re.DOTALL)
    assert found is not None
    return html.unescape(re.sub(r"<[^>]*>", "", found[1]))


def test_a_denial_names_the_rules_that_came_near_and_what_missed(scene: Scene, visit: Visit) -> None:
    decision = scene.submit("https://elsewhere.example/x")
    shown = visit(scene.world.operator).get(page_of(decision)).content.decode()
    assert "Nearly" in shown
    assert "job-applications, submit" in shown
    assert "not about https://elsewhere.example/x" in shown
    assert "The agent declared" in shown


def test_limits_are_shown_as_they_stood_then(scene: Scene, visit: Visit) -> None:
    scene.ask(verb="form.submit", units=20, payload={"url": "https://jobs.example.com/a"})
    decision = scene.submit()
    scene.ask(verb="form.submit", units=25, payload={"url": "https://jobs.example.com/b"})
    shown = visit(scene.world.operator).get(page_of(decision)).content.decode()
    assert "180 of 200 left" in shown


def test_a_decision_is_tried_against_the_policies_of_now_and_leaves_nothing(scene: Scene, visit: Visit) -> None:
    decision = scene.submit()
    rules = [{"forbid": {"name": "no", "verb": "form.submit"}}]
    publish_set(
        policies={"stop": {"rules": rules}}, queues=["outreach"], by=scene.world.admin, now=scene.now, reason="x"
    )
    client, before = visit(scene.world.operator), (Decision.objects.count(), Entry.objects.count())
    assert 'id="again"' not in client.get(page_of(decision)).content.decode()
    shown = client.get(f"{page_of(decision)}?again=1").content.decode()
    assert "By the policies of now (r2)" in shown
    assert "stop forbids this (rule no)." in shown
    assert "another answer than then" in shown
    assert (Decision.objects.count(), Entry.objects.count()) == before


def test_a_copied_test_gets_the_answer_that_it_expects(scene: Scene, visit: Visit) -> None:
    answer = scene.ask(verb="email.send", payload={"to": ["a@example.com", "b@example.com"], "body": "secret words"})
    for decision in (scene.submit(), scene.submit("https://else.example/x"), Decision.objects.get(pk=answer.id)):
        shown = visit(scene.world.operator).get(page_of(decision)).content.decode()
        assert "secret words" not in shown
        test = load(block(shown, "A test that expects this answer")).value
        policy = {**POLICIES["job-applications"], "tests": test}
        policies = parse({"job-applications": policy})
        found = outcomes(policies, compile_set(policies, verbs_in_force(), {"outreach"}), {})
        assert [each.got for each in found] == [decision.effect], test
        rule = load(block(shown, "A rule that permits exactly this")).value
        assert parse({"copied": {"rules": rule}}).policies["copied"].rules[0].kind == "allow"
        assert block(shown, "A call with curl").startswith("curl ")


def test_a_mark_is_saved_by_whoever_sees_the_decision_and_changes_nothing_else(scene: Scene, visit: Visit) -> None:
    decision = scene.submit("https://elsewhere.example/x")
    url = page_of(decision, "override")
    client = visit(scene.world.operator)
    assert client.post(url, {"should": "approve", "reason": ""}).status_code == 422
    assert client.post(url, {"should": "perhaps", "reason": "x"}).status_code == 422
    assert visit(scene.world.stranger).post(url, {"should": "approve", "reason": "x"}).status_code == 404
    assert client.post(url, {"should": "approve", "reason": "It was fine"}).status_code == 302
    assert client.post(url, {"should": "reject", "reason": "Or not"}).status_code == 302
    mark = Override.objects.get()
    assert (mark.should, mark.reason, mark.by) == ("reject", "Or not", scene.world.operator)
    kinds = Entry.objects.filter(object_type="action", object_id=str(decision.pk)).values_list("kind", flat=True)
    assert set(kinds) == {"action.decided", "action.overridden", "action.override_replaced"}
    assert "says it should have been rejected" in client.get(page_of(decision)).content.decode()
    decision.refresh_from_db()
    assert decision.effect == "deny"


def test_what_people_are_deciding_is_not_marked(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    url = page_of(request.decision, "override")
    answer = visit(scene.world.operator).post(url, {"should": "reject", "reason": "x"})
    assert answer.status_code == 409
    assert not Override.objects.exists()


def test_a_rule_is_drafted_that_permits_exactly_what_was_denied(scene: Scene, visit: Visit) -> None:
    decision, client = scene.submit("https://elsewhere.example/x"), visit(scene.world.operator)
    url = f"{list_of(Revision)}do/draft/?decision={decision.pk}"
    assert f'href="{url}"' in client.get(page_of(decision)).content.decode()
    answer = client.get(url)
    assert "The policy drafted-job-applier is new" in answer.content.decode()
    text = answer.context["form"].initial["document"]
    assert not Revision.objects.filter(state="draft").exists()
    assert client.post(url, {"document": text, "reason": "They asked"}).status_code == 302
    draft = Revision.objects.get(state="draft")
    assert draft.document.pop("drafted-job-applier")["applies_to"] == {"agents": ["job-applier"]}
    assert set(draft.document) == set(POLICIES)
    publish_set(
        policies=load(text).value, queues=["outreach"], by=scene.world.admin, now=scene.now, reason="They asked"
    )
    assert scene.submit("https://elsewhere.example/x").effect == "allow"
    assert scene.submit("https://elsewhere.example/other").effect == "deny"


def test_a_draft_begins_with_no_decision_that_is_not_theirs_or_was_permitted(scene: Scene, visit: Visit) -> None:
    denied, allowed = scene.submit("https://elsewhere.example/x"), scene.submit()
    for user, query in ((scene.world.stranger, f"decision={denied.pk}"), (scene.world.operator, "decision=none")):
        shown = visit(user).get(f"{list_of(Revision)}do/draft/?{query}").content.decode()
        assert "elsewhere.example" not in shown, query
    unhelped = scene.hold().decision
    for decision in (allowed, unhelped):
        assert "Draft a rule…" not in visit(scene.world.operator).get(page_of(decision)).content.decode()
    assert "Draft a rule…" not in visit(scene.world.auditor).get(page_of(denied)).content.decode()


def test_what_reads_as_a_pattern_or_as_no_action_is_not_drafted() -> None:
    there = {"drafted-mailer": {"mode": "enforce"}}
    known: dict[str, Any] = {"agent": "mailer", "units": 1}
    drafted, slug = with_rule(there, verb="email.send", destinations=["email:a@b.cc", "email:c@d.ee"], **known)
    assert (slug, drafted["drafted-mailer"]) == ("drafted-mailer-2", there["drafted-mailer"])
    assert drafted[slug]["rules"][0]["allow"]["destination"] == ["email:a@b.cc", "email:c@d.ee"]
    assert with_rule(there, verb="email.send", destinations=["https://a.example/*"], **known) == (there, "")
    assert with_rule(there, verb="No such verb", destinations=[], **known) == (there, "")
