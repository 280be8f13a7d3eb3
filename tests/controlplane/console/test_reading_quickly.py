"""What makes a decision quick and safe: risk with its reasons, reach, who else reads, how others ended, marked text."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from approvals.models import ApprovalRequest, Grant, Vote
from approvals.operations import escalate, mark_override, read_bytes, save_queue
from approvals.operations.seats import Escalate
from approvals.states import Verdict
from approvals.tasks import CLOCK
from controlplane import gateway
from controlplane.console.admins import list_of, page_of
from controlplane.console.approvals.reach import radius_of, summary_of
from policies.operations import publish_set
from registry.authentication import authenticate
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.controlplane.console.test_approving import send

pytestmark = pytest.mark.slow


def page(scene: Scene, visit: Visit, request: ApprovalRequest, *, who: str = "reviewer") -> str:
    return visit(getattr(scene.world, who)).get(page_of(request)).content.decode()


def test_risk_and_reach_stand_on_the_page_with_their_reasons(scene: Scene, visit: Visit) -> None:
    request = scene.hold(to=("jane@acme.com", "joe@acme.com"), data_classes=["health"])
    shown = page(scene, visit, request)
    assert "2 people · 2 new to this agent · health · pii" in shown
    assert "it may notify (+1), carries health data (+2), 2 new destinations (+1)" in shown
    assert request.risk == "high"
    assert (
        ">high"
        in visit(scene.world.operator).get(list_of(ApprovalRequest, "show=open&risk__exact=high")).content.decode()
    )


def test_whoever_may_not_read_the_bytes_learns_the_tier_and_no_more(scene: Scene, visit: Visit) -> None:
    shown = page(scene, visit, scene.hold(), who="auditor")
    assert "carries pii data" not in shown
    assert "medium" in shown


def test_who_else_reads_is_named_for_two_minutes_and_locks_nobody_out(scene: Scene, visit: Visit) -> None:
    request, world = scene.hold(), scene.world
    assert "Being reviewed by" not in page(scene, visit, request)
    assert "Being reviewed by talent-reviewer" in page(scene, visit, request, who="second")
    assert "Being reviewed by second-reviewer" in page(scene, visit, request)
    other = scene.hold()
    read_bytes(request=other, by=world.second, now=scene.now - timedelta(minutes=3))
    assert "Being reviewed by" not in page(scene, visit, other)
    assert send(visit(world.second), request, "approve").status_code == 302


def test_who_has_voted_no_longer_reads(scene: Scene, visit: Visit) -> None:
    known: dict[str, Any] = {"edits": True, "editor_may_approve": False, "owner_may_approve": True}
    save_queue(slug="outreach", reviewers=["talent"], quorum=2, ttl_seconds=86_400, by=scene.world.admin,
               now=scene.now, **known)  # fmt: skip
    request = scene.hold()
    client = visit(scene.world.second)
    client.get(page_of(request))
    assert send(client, request, "approve").status_code == 302
    assert "Being reviewed by" not in page(scene, visit, request)
    assert Vote.objects.get().took_ms is not None


def test_how_the_alike_ended_is_told_in_one_line(scene: Scene, visit: Visit) -> None:
    for verdict in ("approve", "approve", "reject"):
        request = scene.hold()
        send(visit(scene.world.reviewer), request, verdict, kind="Unsafe")
        if verdict == "reject":
            mark_override(decision=request.decision, should=Verdict.APPROVE, reason="It was fine",
                          by=scene.world.admin, now=scene.now)  # fmt: skip
    shown = page(scene, visit, scene.hold())
    assert "2 approved, 1 rejected; 1 called wrong afterwards" in shown
    assert "Last 3 alike" in shown


def test_an_escalated_request_says_who_may_vote_as_well(scene: Scene, visit: Visit) -> None:
    known: dict[str, Any] = {"edits": True, "editor_may_approve": False, "owner_may_approve": True, "quorum": 1}
    by: dict[str, Any] = {"by": scene.world.admin, "now": scene.now}
    save_queue(slug="chiefs", reviewers=["user:auditor"], ttl_seconds=86_400, **known, **by)
    save_queue(
        slug="outreach", reviewers=["talent"], ttl_seconds=86_400, escalate=Escalate(60, "chiefs"), **known, **by
    )
    request = scene.hold()
    assert "You may not" in page(scene, visit, request, who="auditor") or "Approve:" not in page(
        scene, visit, request, who="auditor"
    )
    queue = request.queues.select_related("escalate_to").get(slug="outreach")
    escalate(request=request, queue=queue, by=CLOCK, now=scene.now)
    shown = page(scene, visit, request, who="auditor")
    assert "Escalated: the reviewers of chiefs may vote as well" in shown
    assert "Approve: email.send" in shown


def test_links_and_amounts_in_the_text_are_marked_also_where_the_whole_comes_from_the_web(
    scene: Scene, visit: Visit
) -> None:
    subject = "see https://acme.com@evil.example/x and send 900.00 EUR"
    shown = page(scene, visit, scene.hold(subject=subject, provenance={"/subject": "web"}))
    for mark in ("no host: it stands before @", ">link<", ">amount<", ">from web<"):
        assert mark in shown, mark


@pytest.mark.parametrize(
    ("facts", "new", "words"),
    [({"destinations": ["email:a@b.cc"], "units": 1}, 0, "1 person"),
     ({"destinations": ["email:a@b.cc", "slack:#x"], "units": 40}, 1,
      "1 person · 1 other destination · 1 new to this agent · 40 units"),
     ({"destinations": ["account:DE1"], "units": 1, "amount": {"value": "820.00", "currency": "USD"}}, 0,
      "1 destination · 820.00 USD"),
     ({"destinations": [], "units": 0}, 0, "nothing is known of whom it reaches")],
)  # fmt: skip
def test_reach_in_words(facts: dict[str, Any], new: int, words: str) -> None:
    assert radius_of({"amount": None, "data_classes": [], **facts}, new=new) == words


def test_a_summary_of_nothing_is_empty() -> None:
    assert summary_of([], wrong=0) == ""


def test_what_is_left_of_the_limits_on_the_verb_stands_beside_why_it_is_held(scene: Scene, visit: Visit) -> None:
    pace = {"limit": {"name": "pace", "verb": "email.**", "units": 5, "per": "1d", "by": "agent"}}
    forms = {"limit": {"name": "forms", "verb": "form.submit", "units": 7, "per": "1d"}}
    others = {"limit": {"name": "others", "units": 9, "per": "1d"}}
    review = {"review": {"name": "mail", "verb": "email.**", "queue": "outreach"}}
    policies: dict[str, Any] = {
        "mail": {"mode": "enforce", "rules": [review, pace, forms]},
        "elsewhere": {"mode": "enforce", "applies_to": {"agents": ["another"]}, "rules": [others]},
    }
    publish_set(policies=policies, queues=["outreach"], by=scene.world.admin, now=scene.now, reason="A pace.")
    request = scene.hold(to=("jane@acme.com", "joe@acme.com"))
    shown = page(scene, visit, request)
    assert "5 of 5 left" in shown
    assert ("of 7 left" in shown, "of 9 left" in shown) == (False, False)
    assert send(visit(scene.world.second), request, "approve").status_code == 302
    principal = authenticate(scene.world.text, now=scene.now)
    assert principal is not None
    grant = Grant.objects.get(approval=request)
    gateway.redeem(principal=principal, action_id=request.decision_id, key="once", digest=grant.digest)
    later = page(scene, visit, scene.hold())
    assert "3 of 5 left until" in later
    assert "of 5 left" not in page(scene, visit, request)
