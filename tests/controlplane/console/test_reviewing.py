"""Reviewing with care: what is marked, what is typed, several at once, the glass that is broken."""

from __future__ import annotations

import re
from typing import Any

import pytest

from approvals.models import ApprovalRequest, Grant, KnownDestination, Vote
from approvals.operations import grant_break_glass, report_outcome, save_queue, withdraw_break_glass
from approvals.operations.opening import current_revision
from audit.models import Entry
from controlplane import gateway
from controlplane.console.admins import list_of, page_of
from policies.operations import publish_set
from registry.amounts import parse_money
from registry.authentication import authenticate
from registry.models import User
from registry.operations import save_agent
from tests.controlplane.console.conftest import Visit
from tests.controlplane.console.scene import Scene
from tests.controlplane.console.test_approving import edited, seen, send
from tests.reviewing import read_and_vote
from tests.world import make_person

pytestmark = pytest.mark.slow


def queue(scene: Scene, **more: Any) -> None:
    """Change the queue of the scene."""
    known: dict[str, Any] = {
        "slug": "outreach", "reviewers": ["talent"], "quorum": 1, "ttl_seconds": 24 * 3600, "edits": True,
        "editor_may_approve": False, "owner_may_approve": True,
    }  # fmt: skip
    save_queue(**{**known, **more}, by=scene.world.admin, now=scene.now)


def pay(scene: Scene, value: str = "820.00", currency: str = "USD") -> ApprovalRequest:
    """Have a payment held."""
    agent = scene.world.agent
    save_agent(
        slug=agent.slug, name=agent.name, owner=agent.owner, team=agent.team,
        capabilities=["read", "write", "notify", "execute"], data_scopes=["candidates"], tags=["hr"],
        by=scene.world.admin, now=scene.now,
    )  # fmt: skip
    rules = [{"review": {"name": "pay", "verb": "payment.transfer", "queue": "outreach"}}]
    publish_set(
        policies={"pay": {"rules": rules}}, queues=["outreach"], by=scene.world.admin, now=scene.now, reason="x"
    )
    answer = scene.ask(
        verb="payment.transfer", payload={"account": "DE1", "amount": {"value": value, "currency": currency}}
    )
    assert answer.effect == "review", answer
    return ApprovalRequest.objects.get(decision=answer.id)


def succeed(scene: Scene, request: ApprovalRequest) -> None:
    """Approve, redeem and report a success, as reviewer and agent do."""
    read_and_vote(request, by=scene.world.reviewer, now=scene.now)
    principal = authenticate(scene.world.text, now=scene.now)
    assert principal is not None
    digest = Grant.objects.get(approval=request).digest
    gateway.redeem(principal=principal, action_id=request.decision_id, key=f"r{request.pk}", digest=digest)
    grant = Grant.objects.select_related("agent").get(approval=request)
    report_outcome(grant=grant, succeeded=True, note="", result_digest="", by=principal, now=scene.now)


def page(scene: Scene, visit: Visit, request: ApprovalRequest, *, who: str = "reviewer") -> str:
    """Return the page as somebody sees it."""
    return visit(getattr(scene.world, who)).get(page_of(request)).content.decode()


def test_destinations_are_marked_new_until_an_action_succeeded_there(scene: Scene, visit: Visit) -> None:
    first = scene.hold(to=("jane@acme.com",))
    shown = page(scene, visit, first)
    assert re.search(r'<mark class="cp-mark cp-mark-warn">&quot;jane@acme.com&quot;</mark>', shown)
    assert "▲ new to this agent" in shown
    succeed(scene, first)
    assert KnownDestination.objects.get().destination == "email:jane@acme.com"
    second = page(scene, visit, scene.hold(to=("jane@acme.com", "j.doe@acrne.com")))
    assert re.search(r'<mark class="cp-mark cp-mark-people">&quot;jane@acme.com&quot;</mark>', second)
    assert "looks like <strong>acme.com</strong>" in second
    assert second.count("▲ new to this agent") == 1
    assert "Last 1 alike" in second


def test_hosts_in_the_text_show_what_punycode_hides(scene: Scene, visit: Visit) -> None:
    shown = page(scene, visit, scene.hold(subject="see https://xn--80ak6aa92e.com/pay"))
    assert "punycode: аррӏе.com" in shown


def test_origins_are_marked_where_they_stand(scene: Scene, visit: Visit) -> None:
    shown = page(scene, visit, scene.hold(provenance={"/body": "web"}))
    assert re.search(r"Dear Jane.*?</mark><span class=\"cp-tag cp-tag-warn\">from web</span>", shown, re.DOTALL)


@pytest.mark.parametrize("typed", ["", "820", "820.00 EUR", "82.00", "nonsense", "8200.00 USD"])
def test_a_large_amount_is_typed(scene: Scene, visit: Visit, typed: str) -> None:
    request = pay(scene)
    queue(scene, confirm_amount_over=parse_money({"value": "500.00", "currency": "USD"}))
    client = visit(scene.world.reviewer)
    assert "asks you to type the amount: 820.00 USD" in page(scene, visit, request)
    answer = send(client, request, "approve", confirmed_amount=typed)
    fits = typed == "820"
    assert answer.status_code == (302 if fits else 422), typed
    assert Vote.objects.exists() == fits
    if not fits:
        assert send(client, request, "approve", confirmed_amount="820.00 USD").status_code == 302


def test_a_small_amount_is_not_typed_and_another_currency_counts_as_large(scene: Scene, visit: Visit) -> None:
    queue(scene, confirm_amount_over=parse_money({"value": "500.00", "currency": "USD"}))
    client = visit(scene.world.reviewer)
    assert send(client, pay(scene, "499.99"), "approve").status_code == 302
    assert send(client, pay(scene, "1.00", "EUR"), "approve").status_code == 422


def test_a_reason_is_chosen_or_written(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.reviewer)
    for fields, kept in (
        ({"kind": "Unsafe"}, "Unsafe"),
        ({"kind": "Content", "comment": "Typo"}, "Content: Typo"),
        ({"comment": "Mine"}, "Mine"),
    ):
        request = scene.hold()
        assert send(client, request, "reject", kind="Other", comment="x").status_code == 422
        assert send(client, request, "reject", **fields).status_code == 302
        assert Vote.objects.get(request=request).comment == kept


def test_after_a_vote_the_next_request_opens(scene: Scene, visit: Visit) -> None:
    first, second = scene.hold(), scene.hold()
    client = visit(scene.world.reviewer)
    shown = client.get(page_of(first)).content.decode()
    assert f'href="{page_of(second)}" rel="next"' in shown
    assert send(client, first, "approve").headers["Location"] == page_of(second)
    assert send(client, second, "approve").headers["Location"] == list_of(ApprovalRequest)


def test_what_i_wrote_or_voted_on_does_not_wait_for_me(scene: Scene, visit: Visit) -> None:
    request, me, other = scene.hold(), scene.world.reviewer, scene.world.second

    def waits_for() -> set[User]:
        rows = ApprovalRequest.objects.in_time(scene.now)
        return {user for user in (me, other, scene.world.operator, scene.world.owner) if rows.awaiting(user).exists()}

    # The operator issued the key.
    before = waits_for()
    assert before >= {me, other}
    assert scene.world.operator not in before
    send(visit(me), request, "edit", **edited(request, subject="Other words"))
    assert waits_for() == before - {me}
    shown = visit(me).get(list_of(ApprovalRequest)).content.decode()
    assert page_of(request) not in shown
    assert "(1)" not in shown
    assert page_of(request) in visit(me).get(list_of(ApprovalRequest), {"show": "open"}).content.decode()
    queue(scene, quorum=2, editor_may_approve=True, owner_may_approve=False)
    assert waits_for() == before - {scene.world.owner}
    send(visit(other), request, "approve")
    assert waits_for() == before - {scene.world.owner, other}


def test_ten_votes_at_a_glance_are_remarked_on(scene: Scene, visit: Visit) -> None:
    client = visit(scene.world.reviewer)
    for number in range(10):
        request = scene.hold()
        said = client.get(page_of(request)).content.decode()
        assert "within three seconds" not in said, number
        assert send(client, request, "approve").status_code == 302
    assert "within three seconds" in client.get(page_of(scene.hold())).content.decode()


def tokens(*requests: ApprovalRequest) -> list[str]:
    return [f"{each.pk}:{each.revision}:{current_revision(each).digest}" for each in requests]


def test_several_are_approved_within_the_limit_and_every_row_is_shown(scene: Scene, visit: Visit) -> None:
    rows = [scene.hold(subject=f"Letter {number}") for number in range(4)]
    url = f"{list_of(ApprovalRequest)}do/bulk/?like={rows[0].pk}"
    client = visit(scene.world.reviewer)
    assert client.get(url).status_code == 409
    queue(scene, bulk_limit=3)
    assert "Approve up to 3 alike…" in client.get(page_of(rows[0])).content.decode()
    shown = client.get(url).content.decode()
    assert [f"Letter {number}" in shown for number in range(4)] == [True, True, True, False]
    assert client.post(url, {"comment": ""}).status_code == 409
    assert client.post(url, {"row": tokens(*rows), "comment": ""}).status_code == 422
    assert client.post(url, {"row": ["x"], "comment": ""}).status_code == 404
    assert not Vote.objects.exists()
    carried = tokens(*rows[:3])
    send(visit(scene.world.second), rows[1], "edit", **edited(rows[1], subject="Changed"))
    # Ticked in another order; the rows are locked in one that is the same for everybody.
    answer = client.post(url, {"row": carried[::-1], "comment": "All read"}, follow=True)
    assert "2 approvals of 3 counted." in answer.content.decode()
    states = [ApprovalRequest.objects.get(pk=row.pk).state for row in rows]
    assert states == ["approved", "pending", "approved", "pending"]
    entry = Entry.objects.get(kind="approval.bulk_approved")
    assert (entry.actor_id, entry.agent) == ("talent-reviewer", "job-applier")
    voted = Entry.objects.filter(kind="approval.voted").order_by("id").values_list("object_id", flat=True)
    assert list(voted) == [str(rows[0].pk), str(rows[2].pk)]


def test_a_comment_that_is_too_long_leaves_the_ticks_as_they_were(scene: Scene, visit: Visit) -> None:
    queue(scene, bulk_limit=5)
    rows = [scene.hold(), scene.hold()]
    url = f"{list_of(ApprovalRequest)}do/bulk/?like={rows[0].pk}"
    client, (left, kept) = visit(scene.world.reviewer), tokens(*rows)
    ticks = [f'value="{token}" checked' for token in (left, kept)]
    shown = client.get(url).content.decode()
    assert [tick in shown for tick in ticks] == [True, True]
    refused = client.post(url, {"row": [kept], "comment": "x" * 2_001})
    shown = refused.content.decode()
    assert (refused.status_code, [tick in shown for tick in ticks]) == (422, [False, True])
    assert "at most 2000 characters" in shown
    assert not any(tick in client.post(url, {"comment": ""}).content.decode() for tick in ticks)
    assert not Vote.objects.exists()


def test_several_are_not_approved_by_others(scene: Scene, visit: Visit) -> None:
    queue(scene, bulk_limit=5)
    rows = [scene.hold(), scene.hold()]
    url = f"{list_of(ApprovalRequest)}do/bulk/?like={rows[0].pk}"
    assert visit(scene.world.stranger).get(url).status_code == 404
    assert visit(scene.world.auditor).get(url).status_code == 409
    assert visit(scene.world.stranger).post(url, {"row": tokens(*rows), "comment": ""}).status_code == 404
    # The operator issued the key: each of the votes is refused, one by one.
    visit(scene.world.operator).post(url, {"row": tokens(*rows), "comment": ""})
    assert not Vote.objects.exists()


def test_of_several_only_those_are_approved_that_the_person_was_shown(scene: Scene, visit: Visit) -> None:
    queue(scene, bulk_limit=3)
    rows = [scene.hold(subject=f"Letter {number}") for number in range(3)]
    url = f"{list_of(ApprovalRequest)}do/bulk/?like={rows[0].pk}"
    client = visit(scene.world.reviewer)
    unread = client.post(url, {"row": tokens(*rows), "comment": ""}, follow=True).content.decode()
    assert "0 approvals of 3 counted. Left: Open the request first" in unread
    client.get(page_of(rows[1]))
    part = client.post(url, {"row": tokens(*rows), "comment": ""}, follow=True).content.decode()
    assert "1 approval of 3 counted. Left: Open the request first" in part
    assert Vote.objects.get().request_id == rows[1].pk
    client.get(url)
    rest = client.post(url, {"row": tokens(rows[0], rows[2]), "comment": ""}, follow=True).content.decode()
    assert "2 approvals of 2 counted." in rest


def test_the_approver_revokes_the_grant_from_the_request(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    client = visit(scene.world.reviewer)
    assert client.post(page_of(request, "revoke"), {"reason": "x"}).status_code in {403, 409}
    send(client, request, "approve")
    assert visit(scene.world.second).post(page_of(request, "revoke"), {"reason": "x"}).status_code == 403
    assert "Revoke the grant…" in client.get(page_of(request)).content.decode()
    assert client.post(page_of(request, "revoke"), {"reason": ""}).status_code == 422
    assert client.post(page_of(request, "revoke"), {"reason": "A mistake"}).status_code == 302
    assert Grant.objects.get().state == "revoked"


def test_a_closed_request_is_marked_by_its_reviewer(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    client = visit(scene.world.reviewer)
    send(client, request, "reject", kind="Unsafe")
    assert client.post(page_of(request, "override"), {"should": "approve", "reason": "Too strict"}).status_code == 302
    assert "says it should have been approved" in client.get(page_of(request)).content.decode()


def breaker(scene: Scene) -> User:
    """Make an administrator with the right to break glass."""
    user = make_person("chief", "admin", now=scene.now)
    assert grant_break_glass(user=user, by=scene.world.admin, now=scene.now)
    return user


def test_the_glass_is_broken_in_two_steps_each_with_its_entry(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    chief = breaker(scene)
    client = visit(chief)
    assert "jane@acme.com" not in client.get(page_of(request)).content.decode()
    order = {"reason": "Deadline", "destination": "email:jane@acme.com", "confirmed_amount": "", **seen(request)}
    early = client.post(page_of(request, "overrule"), order)
    assert early.status_code == 409
    assert "Open the bytes first" in early.content.decode()
    assert client.post(page_of(request, "break-glass"), {"reason": ""}).status_code == 422
    opened = client.post(page_of(request, "break-glass"), {"reason": "Deadline"}).content.decode()
    assert "jane@acme.com" in opened
    assert "You override 1 reviewer." in opened
    wrong = client.post(page_of(request, "overrule"), {**order, "destination": "email:jane@acme.co"})
    assert wrong.status_code == 422
    assert client.post(page_of(request, "overrule"), order).status_code == 302
    request.refresh_from_db()
    assert (request.state, request.overridden_by) == ("approved", chief)
    kinds = set(Entry.objects.filter(object_id=str(request.pk)).values_list("kind", flat=True))
    assert {"payload.break_glass", "approval.break_glass"} <= kinds
    assert "Approved under break-glass by chief" in client.get(page_of(request)).content.decode()
    principal = authenticate(scene.world.text, now=scene.now)
    assert principal is not None
    redeemed = gateway.redeem(
        principal=principal, action_id=request.decision_id, key="r", digest=Grant.objects.get().digest
    )
    assert redeemed.grant.state == "redeemed"


def test_the_glass_is_for_those_with_the_right_only(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    for who in ("admin", "operator", "owner", "reviewer", "auditor"):
        answer = visit(getattr(scene.world, who)).post(page_of(request, "break-glass"), {"reason": "x"})
        assert answer.status_code == 403, who
    assert visit(scene.world.stranger).post(page_of(request, "break-glass"), {"reason": "x"}).status_code == 404
    assert not Entry.objects.filter(kind="payload.break_glass").exists()


def test_a_right_that_was_withdrawn_no_longer_redeems(scene: Scene, visit: Visit) -> None:
    request = scene.hold()
    chief = breaker(scene)
    client = visit(chief)
    client.post(page_of(request, "break-glass"), {"reason": "x"})
    order = {"reason": "x", "destination": "email:jane@acme.com", "confirmed_amount": "", **seen(request)}
    assert client.post(page_of(request, "overrule"), order).status_code == 302
    withdraw_break_glass(user=chief, by=scene.world.admin, now=scene.now)
    principal = authenticate(scene.world.text, now=scene.now)
    assert principal is not None
    with pytest.raises(Exception, match="quorum no longer holds"):
        gateway.redeem(principal=principal, action_id=request.decision_id, key="r", digest=Grant.objects.get().digest)
