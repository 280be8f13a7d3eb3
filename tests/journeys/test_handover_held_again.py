"""Handed over, then held again or kept: what was taken when it was allowed counts once, and when it is done."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from approvals.models import ApprovalRequest, Grant
from approvals.operations.opening import current_revision
from approvals.refusals import AlreadyRedeemed, NotNow, PolicyChanged, ReviewRequired
from approvals.states import GrantState
from audit import sql
from audit.actors import System
from controlplane import gateway
from controlplane.apply import apply_document
from controlplane.gateway.asking import Clock
from costs.budgets import expire_reservations
from costs.models import BudgetPeriod, Reservation
from costs.states import ReservationState
from policies.models import Admission
from registry.authentication import Principal, authenticate
from registry.models import Agent, User
from registry.operations import issue_key
from tests.journeys.installation import Installation, build
from tests.reviewing import read_and_vote

FORM: dict[str, Any] = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/apply"}, "units": 3}
CENTS = 10_000_000

EXECUTOR = """
agents:
  form-filler:
    name: Fills the forms in
    owner: talent-lead
    team: talent
    purpose: Executes what the other one was allowed
    capabilities: [read, write]
    data_scopes: [candidates]
"""

# The same allow and the same limit, and now people are asked as well.
HELD_NOW = """
policies:
  job-applications:
    applies_to: {agents: [job-applier]}
    mode: enforce
    rules:
      - allow:  {name: submit, verb: form.submit, destination: "https://jobs.example.com/*", batch: 25}
      - review: {name: look-at-forms, verb: form.submit, queue: outreach}
      - limit:  {name: pace, verb: form.submit, units: 200, per: 1d, by: agent}
"""

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def _principal(text: str) -> Principal:
    principal = authenticate(text, now=sql.now())
    assert principal is not None
    return principal


def _handed_over(installation: Installation, key: str, *, clock: Clock = sql.clock) -> tuple[UUID, str, Principal]:
    """Have the action allowed for another agent; return its id, its digest and who executes."""
    now = sql.now()
    apply_document(text=EXECUTOR, by=installation.admin, now=now, dry_run=False)
    executor = Agent.objects.get(slug="form-filler")
    _, text = issue_key(agent=executor, environment="production", scopes=["act"], by=installation.admin, now=now)
    body = json.dumps({**FORM, "executor": "form-filler"}).encode()
    answer = gateway.ask(principal=_principal(installation.key), key=key, raw=body, clock=clock)
    assert (answer.effect, answer.grant and answer.grant["state"]) == ("allow", "issued")
    return answer.id, answer.digest, _principal(text)


def _taken() -> tuple[list[int], list[tuple[str, int]], int]:
    """Return units admitted, reservations, and what the budget has set aside."""
    return (
        list(Admission.objects.values_list("units", flat=True)),
        list(Reservation.objects.values_list("state", "amount_nanousd")),
        BudgetPeriod.objects.get().reserved_nanousd,
    )


ONCE = ([3], [(ReservationState.HELD.value, 5 * CENTS)], 5 * CENTS)


def _hold_again(installation: Installation, action_id: UUID, digest: str, executor: Principal) -> ApprovalRequest:
    apply_document(text=HELD_NOW, by=installation.admin, now=sql.now(), dry_run=False)
    with pytest.raises(ReviewRequired):
        gateway.redeem(principal=executor, action_id=action_id, key="first", digest=digest)
    return ApprovalRequest.objects.get(decision=action_id)


def test_handed_over_then_held_then_approved_takes_limit_and_budget_once() -> None:
    installation = build()
    action_id, digest, executor = _handed_over(installation, "handed-over")
    assert _taken() == ONCE

    request = _hold_again(installation, action_id, digest, executor)
    assert _taken() == ONCE
    assert list(Grant.objects.values_list("state", flat=True)) == [GrantState.REVOKED]

    reviewer = User.objects.get(username="talent-reviewer")
    held = current_revision(request)
    assert held.digest == digest
    read_and_vote(request, by=reviewer)
    redeemed = gateway.redeem(principal=executor, action_id=action_id, key="second", digest=digest)
    assert redeemed.grant.state == GrantState.REDEEMED
    assert _taken() == ONCE

    with pytest.raises(AlreadyRedeemed):
        gateway.redeem(principal=executor, action_id=action_id, key="third", digest=digest)
    gateway.outcome(principal=executor, action_id=action_id, succeeded=True, note="", result_digest="")
    assert _taken() == ([3], [(ReservationState.RELEASED.value, 5 * CENTS)], 0)


def test_what_was_held_from_the_start_takes_when_it_is_redeemed() -> None:
    """The other side of the same line: an approved action has taken nothing before."""
    installation = build(None)
    apply_document(text=HELD_NOW, by=installation.admin, now=sql.now(), dry_run=False)
    principal = _principal(installation.key)
    answer = gateway.ask(principal=principal, key="held", raw=json.dumps(FORM).encode())
    assert answer.effect == "review"
    assert not Admission.objects.exists()
    assert not Reservation.objects.exists()
    request = ApprovalRequest.objects.get(decision=answer.id)
    reviewer = User.objects.get(username="talent-reviewer")
    read_and_vote(request, by=reviewer)
    gateway.redeem(principal=principal, action_id=answer.id, key="redeem", digest=answer.digest)
    assert _taken() == ONCE


# Five an hour, and a time in which nothing is done.
CLOSED = """
policies:
  job-applications:
    applies_to: {agents: [job-applier]}
    mode: enforce
    rules:
      - allow:  {name: submit, verb: form.submit, destination: "https://jobs.example.com/*", batch: 25}
      - limit:  {name: pace, verb: form.submit, units: 5, per: 1h, by: agent}
      - freeze: {name: stop, from: "%s", until: "%s", zone: UTC}
"""


def _carried(installation: Installation, hours: int) -> tuple[UUID, str, Principal, datetime, datetime]:
    """Have it allowed for another agent, and kept by a freeze.

    Returns:
        Its id and digest, who executes, when it was allowed, and when the freeze is over.
    """
    now = sql.now()
    closes = now.replace(microsecond=0) + timedelta(seconds=30)
    opens = closes + timedelta(hours=hours)
    freeze = tuple(at.strftime("%Y-%m-%dT%H:%M:%S") for at in (closes, opens))
    apply_document(text=CLOSED % freeze, by=installation.admin, now=now, dry_run=False)
    action_id, digest, executor = _handed_over(installation, "carried", clock=lambda: now)
    with pytest.raises(NotNow):
        gateway.redeem(
            principal=executor, action_id=action_id, key="a", digest=digest, clock=lambda: closes + timedelta(seconds=1)
        )
    return action_id, digest, executor, now, opens + timedelta(seconds=1)


def test_what_waited_for_opening_hours_counts_when_it_is_done() -> None:
    """It took its units hours ago; counted there only, twice as many would be done in this hour."""
    installation = build()
    action_id, digest, executor, allowed, opened = _carried(installation, 2)
    fresh = json.dumps({**FORM, "units": 5}).encode()
    answer = gateway.ask(principal=_principal(installation.key), key="fresh", raw=fresh, clock=lambda: opened)
    assert answer.effect == "allow"
    with pytest.raises(NotNow):
        gateway.redeem(principal=executor, action_id=action_id, key="b", digest=digest, clock=lambda: opened)
    later = opened + timedelta(hours=1)
    redeemed = gateway.redeem(principal=executor, action_id=action_id, key="c", digest=digest, clock=lambda: later)
    assert redeemed.grant.state == GrantState.REDEEMED
    assert dict(Admission.objects.values_list("at", "units")) == {opened: 5, later: 3}
    assert allowed < opened
    assert Reservation.objects.filter(decision_id=action_id, state=ReservationState.HELD).count() == 1


def test_what_waited_until_its_reservation_lapsed_is_asked_anew() -> None:
    installation = build()
    action_id, digest, executor, allowed, opened = _carried(installation, 60)
    expire_reservations(by=System("test"), now=allowed + timedelta(hours=25))
    with pytest.raises(PolicyChanged, match="was given back"):
        gateway.redeem(principal=executor, action_id=action_id, key="b", digest=digest, clock=lambda: opened)
    assert Grant.objects.get().state == GrantState.REVOKED
    assert BudgetPeriod.objects.get().reserved_nanousd == 0
