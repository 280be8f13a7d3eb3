"""Grants: looked at again when they are redeemed, used once, closed by an outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from approvals.models import ApprovalRequest, Grant, Queue
from approvals.operations import settle_unknown
from approvals.refusals import (
    AlreadyDecided,
    AlreadyRedeemed,
    DigestMismatch,
    Expired,
    NotAReviewer,
    NotGranted,
    NotNow,
    OutcomeConflict,
    PolicyChanged,
    ReviewRequired,
)
from approvals.tasks import sweep
from audit import sql
from audit.models import Entry
from audit.refusals import Forbidden, KeyReused, Missing
from controlplane import gateway
from controlplane.gateway.answers import Answer
from costs.models import BudgetPeriod, Reservation
from policies.models import Admission
from policies.operations import publish_set, published_policies
from registry.authentication import Principal, authenticate
from registry.models import Agent, User
from registry.operations import deactivate, kill, lift, pause_agent, resume_agent, transfer_agent
from registry.states import KillScope
from tests.approvals.steps import FORM, ask, change, current, grant_of, hold_mail, principal_of, redeem, say
from tests.journeys.installation import Installation, build
from tests.world import make_agent, make_key, make_team


@pytest.fixture
def installation(db: None) -> Installation:
    return build()


@pytest.fixture
def approved(installation: Installation) -> ApprovalRequest:
    return say(hold_mail(installation), "talent-reviewer")


def _publish(installation: Installation, edit: Callable[[list[Any]], None]) -> None:
    policies = published_policies()
    rules = policies["job-applications"]["rules"]
    edit(rules)
    publish_set(
        policies={"job-applications": {**policies["job-applications"], "rules": rules, "tests": []}},
        queues={"outreach", "legal"},
        by=installation.admin,
        now=sql.now(),
        reason="test",
    )


def test_redeem_hands_out_the_approved_bytes_once(installation: Installation, approved: ApprovalRequest) -> None:
    redeemed = redeem(installation, approved, "a")
    assert redeemed.approved.canonical == bytes(current(approved).body)
    assert redeem(installation, approved, "a").as_json() == {**redeemed.as_json(), "replayed": True}
    with pytest.raises(AlreadyRedeemed):
        redeem(installation, approved, "b")
    assert Entry.objects.filter(kind="grant.redeemed").count() == 1


def test_another_digest_is_refused_and_recorded_as_a_security_event(
    installation: Installation, approved: ApprovalRequest
) -> None:
    with pytest.raises(DigestMismatch):
        redeem(installation, approved, digest="0" * 64)
    assert Entry.objects.filter(kind="security.payload_mismatch").count() == 1
    assert grant_of(approved).state == "issued"


def test_what_waits_is_rejected_or_expired_cannot_be_redeemed(installation: Installation) -> None:
    waiting = hold_mail(installation)
    with pytest.raises(NotGranted):
        redeem(installation, waiting)
    say(waiting, "talent-reviewer", "reject")
    with pytest.raises(NotGranted):
        redeem(installation, waiting)


def test_a_grant_expires_at_use(installation: Installation, approved: ApprovalRequest) -> None:
    expires_at = grant_of(approved).expires_at
    with pytest.raises(Expired):
        redeem(installation, approved, clock=lambda: expires_at)
    assert redeem(installation, approved, clock=lambda: expires_at - timedelta(microseconds=1))


def test_a_pause_and_a_kill_keep_the_grant(installation: Installation, approved: ApprovalRequest) -> None:
    agent, now = installation.agent, sql.now()
    pause_agent(agent=agent, reason="test", by=installation.admin, now=now)
    with pytest.raises(NotNow):
        redeem(installation, approved)
    resume_agent(agent=Agent.objects.get(pk=agent.pk), by=installation.admin, now=now)
    switch = kill(scope=KillScope.TEAM, value="talent", reason="test", by=installation.admin, now=now)
    with pytest.raises(NotNow):
        redeem(installation, approved)
    lift(switch=switch, by=installation.admin, now=now)
    assert redeem(installation, approved)


def test_what_became_forbidden_is_revoked(installation: Installation, approved: ApprovalRequest) -> None:
    _publish(installation, lambda rules: rules.append({"forbid": {"name": "no-mail", "verb": "email.**"}}))
    with pytest.raises(PolicyChanged):
        redeem(installation, approved)
    assert grant_of(approved).state == "revoked"
    with pytest.raises(NotGranted):
        redeem(installation, approved)


def test_a_new_queue_opens_a_new_request(installation: Installation, approved: ApprovalRequest) -> None:
    legal = Queue.objects.create(slug="legal")
    legal.reviewers.set(Queue.objects.get(slug="outreach").reviewers.all())
    _publish(
        installation,
        lambda rules: rules.append({"review": {"name": "law", "verb": "email.**", "queue": "legal"}}),
    )
    with pytest.raises(ReviewRequired):
        redeem(installation, approved)
    assert grant_of(approved).state == "revoked"
    again = ApprovalRequest.objects.open().get()
    assert set(again.queues.values_list("slug", flat=True)) == {"legal", "outreach"}
    assert say(again, "talent-reviewer").state == "approved"
    assert redeem(installation, again).grant.state == "redeemed"


def test_a_quorum_that_no_longer_holds_revokes(installation: Installation, approved: ApprovalRequest) -> None:
    deactivate(user=User.objects.get(username="talent-reviewer"), by=installation.admin, now=sql.now())
    with pytest.raises(PolicyChanged):
        redeem(installation, approved)
    assert grant_of(approved).state == "revoked"


def test_a_spent_limit_keeps_the_grant_until_the_window_opens(
    installation: Installation, approved: ApprovalRequest
) -> None:
    second = say(hold_mail(installation, "second"), "talent-reviewer")
    _publish(
        installation,
        lambda rules: rules.append({"limit": {"name": "mails", "verb": "email.**", "units": 1, "per": "1h"}}),
    )
    redeem(installation, approved)
    with pytest.raises(NotNow) as caught:
        redeem(installation, second)
    opens = caught.value.retry_at
    assert opens == Admission.objects.get().at + timedelta(hours=1)
    assert grant_of(second).expires_at > opens
    assert redeem(installation, second, clock=lambda: opens)
    assert Admission.objects.count() == 2


def test_an_outcome_is_reported_once(installation: Installation, approved: ApprovalRequest) -> None:
    def report(**fields: Any) -> Grant:
        return gateway.outcome(
            principal=principal_of(installation), action_id=approved.decision_id,
            **{"succeeded": True, "note": "", "result_digest": "", **fields},
        )  # fmt: skip

    with pytest.raises(OutcomeConflict):
        report()
    redeem(installation, approved)
    assert report(note="done").state == "succeeded"
    assert report(note="done").state == "succeeded"
    for other in ({"succeeded": False}, {"note": "else"}):
        with pytest.raises(OutcomeConflict):
            report(**other)
    assert Entry.objects.filter(kind="grant.succeeded").count() == 1


def test_silence_becomes_unknown_and_only_a_person_settles_it(
    installation: Installation, approved: ApprovalRequest
) -> None:
    redeem(installation, approved)
    Grant.objects.update(outcome_due_at=sql.now() - timedelta(seconds=1))
    sweep()
    sweep()
    grant = grant_of(approved)
    assert grant.state == "outcome_unknown"
    with pytest.raises(Forbidden):
        settle_unknown(
            grant=grant, succeeded=True, reason="", by=User.objects.get(username="talent-reviewer"), now=sql.now()
        )
    settle_unknown(grant=grant, succeeded=False, reason="bounced", by=installation.admin, now=sql.now())
    assert grant_of(approved).state == "failed"


def test_sweep_writes_down_what_time_decided(installation: Installation) -> None:
    waiting, lapsed = hold_mail(installation, "1"), say(hold_mail(installation, "2"), "talent-reviewer")
    past = sql.now() - timedelta(seconds=1)
    ApprovalRequest.objects.filter(pk=waiting.pk).update(expires_at=past)
    Grant.objects.update(expires_at=past)
    sweep()
    sweep()
    waiting.refresh_from_db()
    assert (waiting.state, grant_of(lapsed).state) == ("expired", "expired")
    with pytest.raises(Expired):
        redeem(installation, lapsed)
    assert Entry.objects.filter(kind__in=("approval.expired", "grant.expired")).count() == 2


def test_a_transfer_voids_what_waits_and_what_is_unused(installation: Installation) -> None:
    waiting, unused = hold_mail(installation, "1"), say(hold_mail(installation, "2"), "talent-reviewer")
    agent = installation.agent
    transfer_agent(agent=agent, owner=installation.admin, team=agent.team, by=installation.admin, now=sql.now())
    with pytest.raises(AlreadyDecided, match="transferred"):
        say(waiting, "talent-reviewer")
    with pytest.raises(PolicyChanged):
        redeem(installation, unused)
    sweep()
    waiting.refresh_from_db()
    assert (waiting.state, grant_of(unused).state) == ("cancelled", "revoked")


def test_an_agent_withdraws_what_waits_or_is_unused(installation: Installation) -> None:
    principal = principal_of(installation)
    waiting, unused = hold_mail(installation, "1"), say(hold_mail(installation, "2"), "talent-reviewer")
    for request in (waiting, unused):
        gateway.cancel(principal=principal, action_id=request.decision_id)
        with pytest.raises(AlreadyDecided):
            gateway.cancel(principal=principal, action_id=request.decision_id)
    waiting.refresh_from_db()
    assert (waiting.state, grant_of(unused).state) == ("cancelled", "revoked")


def test_an_allow_for_oneself_is_used_up_when_it_is_given(installation: Installation) -> None:
    answer = ask(installation, "form", **FORM)
    principal = principal_of(installation)
    with pytest.raises(AlreadyRedeemed):
        gateway.redeem(principal=principal, action_id=answer.id, key="form", digest=answer.digest)


def test_actions_of_others_are_missing(installation: Installation, approved: ApprovalRequest) -> None:
    other = build_second_agent(installation)
    for call in (gateway.cancel, lambda **k: gateway.redeem(key="k", digest="0" * 64, **k)):
        with pytest.raises(Missing):
            call(principal=other, action_id=approved.decision_id)


def build_second_agent(installation: Installation) -> Any:
    """Register another agent of the team and authenticate its key."""
    from_first = installation.agent
    agent = make_agent("bystander", owner=from_first.owner, team=from_first.team, by=installation.admin)
    _, text = make_key(agent, by=installation.admin, now=sql.now())
    return authenticate(text, now=sql.now())


def test_a_repeat_is_refused_while_the_agent_may_not_act(installation: Installation, approved: ApprovalRequest) -> None:
    redeem(installation, approved, "a")
    pause_agent(agent=installation.agent, reason="test", by=installation.admin, now=sql.now())
    with pytest.raises(NotNow):
        redeem(installation, approved, "a")


def test_bytes_that_a_person_wrote_stay_theirs_when_they_are_held_again(installation: Installation) -> None:
    request = hold_mail(installation)
    change(request, "talent-reviewer", payload={"to": ["bob@acme.com"]})
    say(request, "second-reviewer")
    legal = Queue.objects.create(slug="legal")
    legal.reviewers.set(Queue.objects.get(slug="outreach").reviewers.all())
    _publish(
        installation,
        lambda rules: rules.append({"review": {"name": "law", "verb": "email.**", "queue": "legal"}}),
    )
    with pytest.raises(ReviewRequired):
        redeem(installation, request)
    with pytest.raises(NotAReviewer, match="You wrote"):
        say(ApprovalRequest.objects.open().get(), "talent-reviewer")


def _hand_over(installation: Installation, key: str) -> tuple[Answer, Principal]:
    executor = build_second_agent(installation)
    return ask(installation, key, **FORM, executor="bystander"), executor


def test_what_is_handed_over_takes_its_limits_once_and_only_its_executor_redeems(installation: Installation) -> None:
    answer, executor = _hand_over(installation, "h")
    fields = {"action_id": answer.id, "digest": answer.digest, "key": "x"}
    with pytest.raises(Forbidden):
        gateway.redeem(principal=principal_of(installation), **fields)
    assert gateway.redeem(principal=executor, **fields).grant.state == "redeemed"
    assert Admission.objects.count() == Reservation.objects.count() == 1


def test_an_executor_that_left_the_team_lost_its_right(installation: Installation) -> None:
    answer, _ = _hand_over(installation, "h")
    team = make_team("billing", installation.admin, by=installation.admin)
    bystander = Agent.objects.get(slug="bystander")
    transfer_agent(agent=bystander, owner=installation.admin, team=team, by=installation.admin, now=sql.now())
    _, text = make_key(bystander, by=installation.admin, now=sql.now())
    moved = authenticate(text, now=sql.now())
    assert moved is not None
    with pytest.raises(Missing):
        gateway.redeem(principal=moved, action_id=answer.id, digest=answer.digest, key="x")


def test_withdrawing_a_hand_over_gives_its_money_back(installation: Installation) -> None:
    answer, _ = _hand_over(installation, "h")
    gateway.cancel(principal=principal_of(installation), action_id=answer.id)
    assert Reservation.objects.get().state == "released"


def test_one_idempotency_key_belongs_to_one_environment(installation: Installation) -> None:
    ask(installation, "same", **FORM)
    _, text = make_key(installation.agent, by=installation.admin, environment="staging", now=sql.now())
    staging = authenticate(text, now=sql.now())
    assert staging is not None
    with pytest.raises(KeyReused):
        gateway.ask(principal=staging, key="same", raw=json.dumps(FORM).encode())


def test_an_estimate_of_nothing_does_not_pass_a_spent_budget(installation: Installation) -> None:
    ask(installation, "first", **FORM)
    BudgetPeriod.objects.update(reserved_nanousd=200_000_000_000)
    answer = ask(installation, "second", **FORM, estimated_cost_nanousd=0)
    assert (answer.effect, answer.reasons[0]["code"]) == ("deny", "budget_exhausted")
