"""Requests: what is asked becomes an action, and its state follows from what people and policies say."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from agentapprovalprotocol._wire import loads, matches, parse_request

from approvals.models import ApprovalRequest, Grant
from approvals.operations import expire_request
from approvals.operations.opening import current_revision
from approvals.states import Verdict
from audit import sql
from audit.actors import System
from controlplane import parking
from policies.models import Decision, Payload
from registry.operations import pause_agent
from tests.controlplane.api import callers
from tests.protocols.aap.scene import FORM, MAIL, Framework, decide, error, framework
from tests.world import World, make_agent, make_key


def read(answer: Any, status: int = 200) -> Any:
    """Return the request as the client library reads it."""
    assert answer.status_code == status, answer.content
    return parse_request(loads(answer.content))


def test_allowed_is_born_approved_consumed_once_and_reported_once(agent: Framework) -> None:
    asked = read(agent.ask("a", FORM), 201)
    assert (asked.status, asked.consumption) == ("approved", None)
    consumed = read(agent.consume(asked.id, "c1"))
    assert consumed.consumption is not None
    assert read(agent.consume(asked.id, "c1")) == consumed
    error(agent.consume(asked.id, "c2"), 409, "already_consumed", "conflict")
    told = read(agent.report(asked.id, status="succeeded", note="sent"))
    assert (told.consumption.outcome.status, told.consumption.outcome.note) == ("succeeded", "sent")
    assert read(agent.report(asked.id, status="succeeded", note="sent")) == told
    error(agent.report(asked.id, status="failed"), 409, "outcome_conflict", "conflict")
    assert read(agent.send("GET", f"/requests/{asked.id}")) == told


@pytest.mark.postgres_smoke
def test_held_is_pending_until_people_approve(world: World, agent: Framework) -> None:
    asked = read(agent.ask("a"), 201)
    assert (asked.status, asked.decision) == ("pending", None)
    assert matches(asked, loads(json.dumps(MAIL)))
    assert asked.deadline_at - asked.created_at == timedelta(minutes=10)
    error(agent.consume(asked.id, "c"), 409, "not_approved", "conflict")
    error(agent.report(asked.id, status="failed"), 409, "not_consumed", "conflict")
    decide(asked.id, world)
    approved = read(agent.send("GET", f"/requests/{asked.id}?wait=30s"))
    assert approved.status == "approved"
    assert matches(approved, loads(json.dumps(MAIL)), asked)
    assert read(agent.consume(asked.id, "c")).consumption is not None


def test_a_secret_in_the_reasoning_is_shown_to_nobody_and_kept_nowhere(
    world: World, agent: Framework, settings: Any
) -> None:
    token = "ghp_" + "a1B2" * 9
    # The second one stands where what people are shown of it is cut.
    said = f"I log in with {token}, " + "as always, " * 357 + token
    submission = {**MAIL, "agent_reasoning": said}
    asked = read(agent.ask("a", submission), 201)
    # The client refuses an answer that says anything else than it did.
    assert matches(asked, loads(json.dumps(submission)))
    assert read(agent.ask("a", submission)).id == asked.id
    error(agent.ask("a", {**submission, "agent_reasoning": said.replace("a1", "a2")}), 409, "idempotency_conflict")
    held = ApprovalRequest.objects.get(decision=asked.id)
    facts, body = current_revision(held).facts, bytes(Payload.objects.get(pk=asked.id).body).decode()
    for kept in (body, json.dumps(facts)):
        assert "I log in with [redacted], as always" in kept
        assert "ghp_" not in kept
    decide(asked.id, world)
    assert matches(read(agent.consume(asked.id, "c")), loads(json.dumps(submission)))
    settings.ENCRYPTION_KEYS = ("another",)
    assert "ghp_" not in agent.send("GET", f"/requests/{asked.id}").content.decode()


def test_rejected_is_denied_with_the_reviewers_words(world: World, agent: Framework) -> None:
    asked = read(agent.ask("a"), 201)
    decide(asked.id, world, Verdict.REJECT, "Not without her consent.")
    denied = read(agent.send("GET", f"/requests/{asked.id}"))
    assert (denied.status, denied.decision.note) == ("denied", "Not without her consent.")
    error(agent.consume(asked.id, "c"), 409, "not_approved")


def test_denied_by_policy_says_why(agent: Framework) -> None:
    where = {**FORM, "arguments": {"url": "https://elsewhere.example.net/"}}
    denied = read(agent.ask("a", where), 201)
    assert denied.status == "denied"
    assert "No rule permits form.submit" in denied.decision.note


def test_a_paused_agent_is_denied(world: World, agent: Framework) -> None:
    pause_agent(agent=world.agent, reason="test", by=world.operator, now=sql.now())
    assert read(agent.ask("a", FORM), 201).status == "denied"


def test_a_window_is_shortened_and_never_lengthened(agent: Framework) -> None:
    for key, timeout, hours in (("a", "9999999999999h", 24), ("b", "3600s", 1)):
        asked = read(agent.ask(key, {**MAIL, "timeout": timeout}), 201)
        assert asked.deadline_at - asked.created_at == timedelta(hours=hours)
        assert asked.timeout == timeout


def test_undecided_expires_at_the_deadline_whoever_writes_it_down(agent: Framework) -> None:
    asked = read(agent.ask("a"), 201)
    now = sql.now()
    held = ApprovalRequest.objects.get(decision=asked.id)
    ApprovalRequest.objects.filter(pk=held.pk).update(created_at=now - timedelta(hours=2), expires_at=now)
    Decision.objects.filter(pk=asked.id).update(at=now - timedelta(hours=2))
    expired = read(agent.send("GET", f"/requests/{asked.id}"))
    assert (expired.status, expired.decision.decided_at) == ("expired", expired.deadline_at)
    expire_request(request=ApprovalRequest.objects.get(pk=held.pk), by=System("test"), now=now + timedelta(minutes=1))
    assert read(agent.send("GET", f"/requests/{asked.id}")) == expired
    error(agent.send("DELETE", f"/requests/{asked.id}"), 409, "already_terminal")
    error(agent.consume(asked.id, "c"), 409, "not_approved")


def test_cancelling_ends_a_pending_request_and_nothing_else(world: World, agent: Framework) -> None:
    asked = read(agent.ask("a"), 201)
    cancelled = read(agent.send("DELETE", f"/requests/{asked.id}"))
    assert cancelled.status == "cancelled"
    assert read(agent.send("DELETE", f"/requests/{asked.id}")) == cancelled
    error(agent.consume(asked.id, "c"), 409, "not_approved")
    approved = read(agent.ask("b"), 201)
    decide(approved.id, world)
    error(agent.send("DELETE", f"/requests/{approved.id}"), 409, "already_terminal", "conflict")
    assert read(agent.consume(approved.id, "c")).consumption is not None


def test_the_same_submission_is_the_same_request_however_it_is_written(agent: Framework) -> None:
    asked = read(agent.ask("a", {**FORM, "arguments": {**FORM["arguments"], "n": 1}}), 201)
    again = b'{ "timeout":"10m","arguments":{"n":1.0,"name":"\\u0041da","url":"https://jobs.example.com/apply"},'
    again += b'"tool":"submit_form"}'
    assert read(agent.send("POST", "/requests", raw=again, key="a")).id == asked.id
    for other in ({**FORM, "timeout": "11m"}, {**FORM, "context": {}}, MAIL):
        error(agent.ask("a", other), 409, "idempotency_conflict", "conflict")
    assert Decision.objects.count() == 1


def test_one_key_for_both_ways_of_asking_is_a_conflict(world: World, agent: Framework) -> None:
    native = callers.agent(world.text)
    body = {"verb": "form.submit", "payload": FORM["arguments"]}
    assert native.send("POST", "/actions", body, Idempotency_Key="a").status_code == 200
    error(agent.ask("a", FORM), 409, "idempotency_conflict")
    action = native.send("POST", "/actions", body, Idempotency_Key="b").json()["id"]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/consume")):
        error(agent.send(method, f"/requests/{action}{path}", key="k"), 404, "not_found", "not_found")


def test_a_request_is_its_agents_alone(world: World, agent: Framework) -> None:
    asked = read(agent.ask("a"), 201)
    other = make_agent("other", owner=world.owner, team=world.team, by=world.admin, now=sql.now())
    _, foreign = make_key(other, by=world.admin, now=sql.now())
    _, staging = make_key(world.agent, by=world.admin, environment="staging", now=sql.now())
    for text in (foreign, staging):
        caller = framework(text)
        error(caller.send("GET", f"/requests/{asked.id}"), 404, "not_found")
        error(caller.send("DELETE", f"/requests/{asked.id}"), 404, "not_found")
        error(caller.consume(asked.id, "k"), 404, "not_found")
        error(caller.report(asked.id, status="failed"), 404, "not_found")
    assert read(agent.send("GET", f"/requests/{asked.id}")).status == "pending"


def test_an_approval_that_ends_stays_approved_and_gives_no_leave(world: World, agent: Framework) -> None:
    asked = read(agent.ask("a"), 201)
    decide(asked.id, world)
    Grant.objects.filter(decision=asked.id).update(expires_at=sql.now())
    error(agent.consume(asked.id, "c"), 409, "approval_expired", "conflict")
    assert read(agent.send("GET", f"/requests/{asked.id}")).status == "approved"


def test_nobody_edits_a_tool_call(world: World, agent: Framework) -> None:
    asked = read(agent.ask("a"), 201)
    held = ApprovalRequest.objects.get(decision=asked.id)
    answer = callers.person(world.reviewer).send(
        "PUT", f"/approvals/{held.pk}/action", {"payload": {"to": ["other@acme.com"]}}, If_Match='"1"'
    )  # fmt: skip
    assert "nobody edits" in callers.problem(answer, 403, "edits_closed")["detail"]


def test_the_streaming_lane_is_told_what_a_call_waits_for(agent: Framework) -> None:
    asked = read(agent.ask("a"), 201)
    ticket = parking.Ticket()
    extra: dict[str, Any] = {parking.ENVIRON_KEY: ticket}
    answer = agent.client.get(f"/aap/v1/requests/{asked.id}?wait=2m", headers=agent.headers, **extra)
    assert read(answer).status == "pending"
    held = ApprovalRequest.objects.get(decision=asked.id)
    # The protocol's longest wait is half a minute.
    assert (ticket.topic, ticket.seconds) == (parking.Topic(parking.Kind.APPROVAL, held.pk), 30)
