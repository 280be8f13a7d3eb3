"""What changes between approval and consumption is seen; the recorded answer stays what it was."""

from __future__ import annotations

from typing import Any

import pytest

from approvals.models import ApprovalRequest, Grant
from audit import sql
from audit.models import Entry
from controlplane.apply import apply_document
from costs.models import Reservation
from policies.models import Admission
from registry.operations import pause_agent, resume_agent
from tests.protocols.aap.scene import FORM, MAIL, Framework, decide, error
from tests.world import World

pytestmark = pytest.mark.slow
FORBIDDEN = "policies: {extra: {rules: [{forbid: {name: stop, verb: '**'}}]}}"
ANOTHER_QUEUE = """
queues: {second: {reviewers: [desk], quorum: 1, ttl: 1h}}
policies: {extra: {rules: [{review: {name: more, verb: '**', queue: second}}]}}
"""
LIMITED = "policies: {extra: {rules: [{limit: {name: pace, verb: '**', units: 1, per: 1h}}]}}"


def _apply(world: World, text: str) -> None:
    apply_document(text=text, by=world.admin, now=sql.now(), dry_run=False)


def _approved(world: World, agent: Framework, key: str, submission: Any) -> dict[str, Any]:
    """Have a call allowed at once, or approved by people; return the request."""
    asked = agent.ask(key, submission).json()
    if asked["status"] == "pending":
        decide(asked["id"], world)
    found: dict[str, Any] = agent.send("GET", f"/requests/{asked['id']}").json()
    assert found["status"] == "approved"
    return found


@pytest.mark.parametrize("submission", [FORM, MAIL], ids=["allowed", "approved by people"])
@pytest.mark.parametrize("change", [FORBIDDEN, ANOTHER_QUEUE], ids=["forbidden", "another review"])
def test_leave_is_taken_back_and_the_answer_stays(world: World, agent: Framework, submission: Any, change: str) -> None:
    approved = _approved(world, agent, "a", submission)
    _apply(world, change)
    for _ in range(2):
        error(agent.consume(approved["id"], "c"), 409, "approval_expired", "conflict")
    assert agent.send("GET", f"/requests/{approved['id']}").json() == approved
    assert Grant.objects.get(decision=approved["id"]).state == "revoked"
    # Nobody is asked about a call that has its final answer.
    assert not ApprovalRequest.objects.open().exists()
    assert not Reservation.objects.filter(decision_id=approved["id"], state="held").exists()
    # Asked anew, the policy of now answers.
    assert agent.ask("b", submission).json()["status"] == ("denied" if change == FORBIDDEN else "pending")


@pytest.mark.parametrize("submission", [FORM, MAIL], ids=["allowed", "approved by people"])
def test_a_pause_holds_it_up_and_ends_with_it(world: World, agent: Framework, submission: Any) -> None:
    approved = _approved(world, agent, "a", submission)
    pause_agent(agent=world.agent, reason="test", by=world.operator, now=sql.now())
    told = error(agent.consume(approved["id"], "c"), 409, "not_approved", "conflict")
    assert "active" in told["message"] or "paused" in told["message"]
    world.agent.refresh_from_db()
    resume_agent(agent=world.agent, by=world.operator, now=sql.now())
    assert agent.consume(approved["id"], "c").json()["consumption"]


def test_a_spent_limit_says_when_and_the_end_stays_fixed(world: World, agent: Framework) -> None:
    _apply(world, LIMITED)
    one, other = (_approved(world, agent, key, MAIL) for key in "ab")
    assert agent.consume(one["id"], "c").status_code == 200
    answer = agent.consume(other["id"], "c")
    error(answer, 429, "not_now", "rate_limit")
    assert int(answer["Retry-After"]) > 3000
    assert agent.send("GET", f"/requests/{other['id']}").json() == other
    assert Admission.objects.count() == 1
    throttled = agent.ask("d", FORM).json()
    assert throttled["status"] == "denied"
    assert "Ask again after 2" in throttled["decision"]["note"]


def test_a_transfer_voids_it(world: World, agent: Framework) -> None:
    approved = _approved(world, agent, "a", MAIL)
    type(world.agent).objects.filter(pk=world.agent.pk).update(epoch=world.agent.epoch + 1)
    error(agent.consume(approved["id"], "c"), 409, "approval_expired")


def test_each_step_leaves_its_entry(world: World, agent: Framework) -> None:
    approved = _approved(world, agent, "a", MAIL)
    agent.consume(approved["id"], "c")
    agent.report(approved["id"], status="succeeded", note="key sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD sent")
    withdrawn = agent.ask("b").json()
    agent.send("DELETE", f"/requests/{withdrawn['id']}")
    kinds = list(Entry.objects.filter(agent="job-applier", actor_type="agent").values_list("kind", flat=True))
    for kind in ("action.decided", "approval.requested", "grant.redeemed", "grant.succeeded", "approval.cancelled"):
        assert kind in kinds, kinds
    # The agent's words are kept without the secrets in them.
    outcome = agent.send("GET", f"/requests/{approved['id']}").json()["consumption"]["outcome"]
    assert "sk-abcdef" not in outcome["note"]
