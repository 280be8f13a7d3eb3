"""The inbox tells where actions go and what they move, and tells it only to whoever may see the bytes."""

from __future__ import annotations

from typing import Any

import pytest

from approvals.models import ApprovalRequest
from approvals.operations import escalate, save_queue
from approvals.operations.seats import Escalate
from approvals.permissions import may_read_bytes
from approvals.tasks import CLOCK
from controlplane.console.admins import list_of, page_of
from policies.operations import publish_set
from registry.models import User
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import POLICIES, Scene
from tests.controlplane.console.test_approving import send
from tests.world import make_agent, make_person

pytestmark = pytest.mark.slow

PLACE, AMOUNT = "account:DE89370400440532013000", "1,250.5 EUR"


def hold_payment(scene: Scene) -> ApprovalRequest:
    """Have a payment held."""
    world, now = scene.world, scene.now
    rule = {"review": {"name": "money", "verb": "payment.**", "queue": "outreach"}}
    publish_set(
        policies={**POLICIES, "money": {"mode": "enforce", "rules": [rule]}}, queues=["outreach"], by=world.admin,
        now=now, reason="Payments are held.",
    )  # fmt: skip
    make_agent("job-applier", owner=world.owner, team=world.team, by=world.admin, now=now, capabilities=["execute"])
    payload = {"account": "DE89370400440532013000", "amount": {"value": "1250.50", "currency": "EUR"}}
    answer = scene.ask(verb="payment.transfer", payload=payload)
    assert answer.effect == "review", answer
    return ApprovalRequest.objects.get(decision=answer.id)


def row_of(request: ApprovalRequest, user: User, visit: Visit) -> str:
    rows = visit(user).get(list_of(ApprovalRequest, "show=all")).content.decode().split("<tr")
    return next(row for row in rows if page_of(request) in row)


def test_whoever_may_see_the_bytes_is_told_destination_and_amount(scene: Scene, visit: Visit) -> None:
    request, world = hold_payment(scene), scene.world
    for user in (world.reviewer, world.owner):
        row = row_of(request, user, visit)
        assert (PLACE in row, AMOUNT in row) == (True, True), user
    for user in (world.auditor, world.admin):
        row = row_of(request, user, visit)
        assert ("1 destination" in row, "hidden" in row, "DE89" in row, "1,250" in row) == (True, True, False, False)


def test_once_it_is_decided_reviewers_are_not_told_any_more(scene: Scene, visit: Visit) -> None:
    request, world = scene.hold(), scene.world
    assert "email:jane@acme.com" in row_of(request, world.reviewer, visit)
    assert send(visit(world.second), request, "reject", comment="No").status_code == 302
    assert "email:jane@acme.com" not in row_of(request, world.reviewer, visit)
    assert "email:jane@acme.com" in row_of(request, world.owner, visit)


def test_the_list_and_the_page_agree_on_who_may_see_the_bytes(scene: Scene) -> None:
    known: dict[str, Any] = {"edits": True, "editor_may_approve": False, "owner_may_approve": True, "quorum": 1}
    by: dict[str, Any] = {"by": scene.world.admin, "now": scene.now}
    world = scene.world
    save_queue(slug="chiefs", reviewers=["user:auditor"], ttl_seconds=86_400, **known, **by)
    save_queue(
        slug="outreach", reviewers=["talent"], ttl_seconds=86_400, escalate=Escalate(60, "chiefs"), **known, **by
    )
    plain, escalated, cancelled = scene.hold(), scene.hold(), scene.hold()
    queue = escalated.queues.select_related("escalate_to").get(slug="outreach")
    escalate(request=escalated, queue=queue, by=CLOCK, now=scene.now)
    ApprovalRequest.objects.filter(pk=cancelled.pk).update(state="cancelled")
    elsewhere = scene.hold()
    ApprovalRequest.objects.filter(pk=elsewhere.pk).update(team="billing")
    gone = make_person("gone", "reviewer", now=scene.now)
    world.team.members.add(gone)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    found = {}
    for user in User.objects.order_by("pk"):
        readable = set(ApprovalRequest.objects.readable_by(user))
        rows = ApprovalRequest.objects.select_related("agent").prefetch_related("queues")
        assert readable == {row for row in rows if may_read_bytes(row, user)}, user
        found[user.username] = len(readable)
    assert (found["talent-reviewer"], found["talent-lead"], found["auditor"], found["gone"]) == (3, 4, 1, 0)
    assert (found["admin"], found["billing-operator"]) == (0, 0)
    assert plain in ApprovalRequest.objects.readable_by(world.reviewer)
