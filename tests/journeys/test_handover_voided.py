"""Handed over and never redeemed: whoever voids it gives back what was set aside for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from approvals.models import ApprovalRequest, Grant
from approvals.operations import expire_grant
from approvals.operations.grants import HANDED_OVER_LIFE
from approvals.refusals import Expired, ReviewRequired
from approvals.states import GrantState
from audit import sql
from audit.actors import System
from audit.models import Entry
from controlplane import gateway
from controlplane.apply import apply_document
from controlplane.operating.unused import give_back_unused
from costs.models import BudgetPeriod, Reservation
from costs.states import ReservationState
from registry.authentication import Principal, authenticate
from registry.models import Agent, User
from registry.operations import issue_key
from tests.controlplane.api.callers import person
from tests.journeys.installation import Installation, build
from tests.journeys.test_handover_held_again import EXECUTOR, FORM, HELD_NOW
from tests.reviewing import read_and_vote

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def by_api(installation: Installation, grant: Grant) -> None:
    answer = person(installation.admin).send("POST", f"/grants/{grant.pk}/revoke", {"reason": "no"})
    assert (answer.status_code, answer.json()["state"]) == (200, "revoked")


def by_console(installation: Installation, grant: Grant) -> None:
    client = Client()
    client.force_login(installation.admin)
    answer = client.post(reverse("admin:approvals_grant_revoke", args=[grant.pk]), {"reason": "no"}, secure=True)
    assert answer.status_code == 302


def by_agent(installation: Installation, grant: Grant) -> None:
    gateway.cancel(principal=who(installation.key), action_id=grant.decision_id)


def who(text: str) -> Principal:
    principal = authenticate(text, now=sql.now())
    assert principal is not None
    return principal


def hand_over(installation: Installation) -> tuple[UUID, str, Principal]:
    now = sql.now()
    apply_document(text=EXECUTOR, by=installation.admin, now=now, dry_run=False)
    executor = Agent.objects.get(slug="form-filler")
    _, text = issue_key(agent=executor, environment="production", scopes=["act"], by=installation.admin, now=now)
    raw = json.dumps({**FORM, "executor": "form-filler"}).encode()
    answer = gateway.ask(principal=who(installation.key), key="handed-over", raw=raw)
    assert Reservation.objects.get().state == ReservationState.HELD
    return answer.id, answer.digest, who(text)


def nothing_is_set_aside() -> bool:
    return (
        Reservation.objects.get().state == ReservationState.RELEASED
        and BudgetPeriod.objects.get().reserved_nanousd == 0
        and Entry.objects.filter(kind="budget.released").count() == 1
    )


@pytest.mark.parametrize("void", [by_api, by_console, by_agent])
def test_voided_grant_gives_back_what_was_set_aside(void: Callable[[Installation, Grant], None]) -> None:
    installation = build()
    hand_over(installation)
    void(installation, Grant.objects.select_related("agent__team").get())
    assert Grant.objects.get().state == GrantState.REVOKED
    assert nothing_is_set_aside()


def test_grant_that_ran_out_gives_back_what_was_set_aside() -> None:
    installation = build()
    action_id, digest, executor = hand_over(installation)
    later = sql.now() + HANDED_OVER_LIFE
    assert give_back_unused(by=System("test"), now=later) == 0
    expire_grant(grant=Grant.objects.select_related("agent__team").get(), by=System("test"), now=later)
    assert [give_back_unused(by=System("test"), now=later) for _ in range(2)] == [1, 0]
    assert nothing_is_set_aside()
    with pytest.raises(Expired):
        gateway.redeem(principal=executor, action_id=action_id, key="late", digest=digest, clock=lambda: later)


def test_what_waits_for_people_or_was_redeemed_keeps_what_was_set_aside() -> None:
    installation = build()
    action_id, digest, executor = hand_over(installation)
    apply_document(text=HELD_NOW, by=installation.admin, now=sql.now(), dry_run=False)
    with pytest.raises(ReviewRequired):
        gateway.redeem(principal=executor, action_id=action_id, key="first", digest=digest)
    assert Grant.objects.get().state == GrantState.REVOKED
    assert give_back_unused(by=System("test"), now=sql.now()) == 0
    request, reviewer = ApprovalRequest.objects.get(), User.objects.get(username="talent-reviewer")
    read_and_vote(request, by=reviewer)
    assert give_back_unused(by=System("test"), now=sql.now()) == 0
    gateway.redeem(principal=executor, action_id=action_id, key="second", digest=digest)
    assert give_back_unused(by=System("test"), now=sql.now()) == 0
    assert Reservation.objects.get().state == ReservationState.HELD


def test_withdrawn_after_it_was_held_again_gives_back_what_was_set_aside() -> None:
    installation = build()
    action_id, digest, executor = hand_over(installation)
    apply_document(text=HELD_NOW, by=installation.admin, now=sql.now(), dry_run=False)
    with pytest.raises(ReviewRequired):
        gateway.redeem(principal=executor, action_id=action_id, key="first", digest=digest)
    gateway.cancel(principal=who(installation.key), action_id=action_id)
    assert ApprovalRequest.objects.get().state == "cancelled"
    assert nothing_is_set_aside()
