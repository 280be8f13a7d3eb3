"""Routing: which queues take an action by themselves, what a fallback is for, and that nobody is never the answer."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from approvals.models import ApprovalRequest, Queue
from approvals.operations.queues import queue_document
from approvals.routing import Case, Matches, parse_matches, route
from audit import sql
from controlplane import gateway
from controlplane.apply import apply_document
from controlplane.gateway.editing import RefusedByPolicy
from controlplane.gateway.trying import codes, read_action, try_action, try_again
from policies.destinations import check_destination
from policies.facts import Action
from policies.models import Decision
from registry.amounts import parse_money
from registry.authentication import authenticate
from registry.documents import DocumentInvalid
from registry.models import Agent
from tests.approvals.steps import MAIL, ask, change, hold_mail
from tests.journeys.installation import Installation, build
from tests.together import at_once
from tests.world import make_agent, make_key

EVERYWHERE = """
queues:
  outreach: {reviewers: [talent]}
  personal: {reviewers: [talent], matches: {data_class: pii}}
  chiefs: {reviewers: ["user:second-reviewer"], matches: {risk: [high, critical]}}
policies:
  job-applications:
    applies_to: {agents: [job-applier]}
    rules: [{review: {name: mail, verb: "email.**", queue: QUEUE}}]
"""


def _matches(**raw: Any) -> Matches:
    found = parse_matches(raw)
    assert found is not None
    return found


def _case(**fields: Any) -> Case:
    action: dict[str, Any] = {
        "verb": "email.send", "capability": "notify", "destinations": (check_destination("email:jane@acme.com"),),
        "units": 1, "amount": None, "data_classes": frozenset({"pii"}), "data_scopes": frozenset(), "payload": {},
    }  # fmt: skip
    other = {"agent": "job-applier", "team": "talent", "risk": "medium"}
    return Case(Action(**{**action, **{k: v for k, v in fields.items() if k in action}}),
                **{**other, **{k: v for k, v in fields.items() if k in other}})  # fmt: skip


AMOUNT = parse_money({"value": "500.00", "currency": "USD"})


@pytest.mark.parametrize(
    ("matches", "case", "takes"),
    [({"verb": "email.*"}, {}, True), ({"verb": ["form.*", "email.**"]}, {}, True), ({"verb": "email"}, {}, False),
     ({"data_class": ["legal", "pii"]}, {}, True), ({"data_class": "legal"}, {}, False),
     ({"capability": "notify"}, {}, True), ({"capability": "write"}, {}, False),
     ({"destination": "email:*@acme.com"}, {}, True), ({"destination": "email:*@acme.org"}, {}, False),
     ({"amount_over": {"value": "499.99", "currency": "USD"}}, {"amount": AMOUNT}, True),
     ({"amount_over": {"value": "500", "currency": "USD"}}, {"amount": AMOUNT}, False),
     ({"amount_over": {"value": "900", "currency": "EUR"}}, {"amount": AMOUNT}, True),
     ({"amount_over": {"value": "1", "currency": "USD"}}, {}, False),
     ({"risk": ["high", "critical"]}, {"risk": "critical"}, True), ({"risk": "high"}, {}, False),
     ({"agent": "job-applier"}, {}, True), ({"agent": "other"}, {}, False),
     ({"team": ["talent", "billing"]}, {}, True), ({"team": "billing"}, {}, False),
     ({"verb": "email.**", "data_class": "pii", "risk": "medium", "team": "talent"}, {}, True),
     ({"verb": "email.**", "data_class": "pii", "risk": "low", "team": "talent"}, {}, False)],
)  # fmt: skip
def test_selectors_are_anded_and_lists_ored(matches: dict[str, Any], case: dict[str, Any], takes: bool) -> None:
    assert _matches(**matches).take(_case(**case)) is takes


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [({"verb": "e*mail"}, "/m/verb"), ({"risk": "huge"}, "/m/risk"), ({"agents": "x"}, "/m/agents"),
     ({"team": "No Slug"}, "/m/team"), ({"amount_over": {"value": "x"}}, "/m/amount_over"), ([], "/m"),
     ({"capability": ["notify", "fly"]}, "/m/capability/1"), ({"destination": "acme.com"}, "/m/destination")],
)  # fmt: skip
def test_bad_selectors_are_named(raw: Any, pointer: str) -> None:
    with pytest.raises(DocumentInvalid) as caught:
        parse_matches(raw, at="/m")
    assert any(problem.pointer.startswith(pointer) for problem in caught.value.errors)


def test_routing_names_every_queue_that_takes_it_then_the_fallback_then_nobody() -> None:
    queues = {"personal": _matches(data_class="pii"), "mail": _matches(verb="email.**"), "law": _matches(risk="high")}
    assert route(["outreach"], queues, _case()) == ("outreach",)
    assert route(["auto"], queues, _case()) == ("mail", "personal")
    assert route(["auto/outreach"], queues, _case()) == ("mail", "personal")
    assert route(["auto", "legal"], queues, _case()) == ("legal", "mail", "personal")
    nothing = _case(verb="form.submit", data_classes=frozenset())
    assert route(["auto/outreach"], queues, nothing) == ("outreach",)
    assert route(["auto"], queues, nothing) is None
    assert route(["auto", "outreach"], queues, nothing) is None
    assert route(["auto"], {}, _case()) is None


def _build(queue: str) -> Installation:
    installation = build()
    _apply(installation, EVERYWHERE.replace("QUEUE", queue))
    return installation


def _apply(installation: Installation, text: str) -> None:
    apply_document(text=text, by=installation.admin, now=sql.now(), dry_run=False)


def _queues(request: ApprovalRequest) -> list[str]:
    return sorted(request.queues.values_list("slug", flat=True))


def test_an_ask_is_held_in_the_queues_that_take_it(db: None) -> None:
    installation = _build("auto")
    request = hold_mail(installation)
    assert _queues(request) == ["personal"]
    assert request.risk == "medium"
    many = {**MAIL, "payload": {"to": [f"p{n}@acme.com" for n in range(11)], "body": "Dear all"}}
    answer = ask(installation, "many", **many)
    assert _queues(ApprovalRequest.objects.get(decision=answer.id)) == ["chiefs", "personal"]


def test_what_no_queue_takes_goes_to_the_fallback_else_it_is_denied(db: None) -> None:
    installation = _build("auto/outreach")
    _apply(installation, "queues: {personal: {matches: {data_class: legal}}}")
    assert _queues(hold_mail(installation)) == ["outreach"]
    _apply(installation, EVERYWHERE.replace("QUEUE", "auto").replace("data_class: pii", "data_class: legal"))
    answer = ask(installation, "again", **MAIL)
    assert (answer.effect, [reason["code"] for reason in answer.reasons]) == ("deny", ["no_queue"])
    assert ApprovalRequest.objects.count() == 1
    # Who asks what would happen is told the same.
    agent, now = Agent.objects.get(slug="job-applier"), sql.now()
    tried = try_action(
        agent=agent, body=read_action(dict(MAIL)), environment="production", revision=None, at=None, now=now
    )
    again = try_again(decision=Decision.objects.get(pk=answer.id), now=now)
    assert [(found.verdict.effect, *codes(found.verdict)) for found in (tried, again)] == [("deny", "no_queue")] * 2


@pytest.mark.slow
def test_an_edit_is_routed_again_and_never_leaves_a_queue(db: None) -> None:
    installation = _build("auto")
    request = change(hold_mail(installation), "talent-reviewer", payload={"to": [f"p{n}@acme.com" for n in range(11)]})
    assert (_queues(request), request.risk) == (["chiefs", "personal"], "high")
    request = change(request, "talent-reviewer", payload={"to": ["p@acme.com"]})
    assert (_queues(request), request.risk) == (["chiefs", "personal"], "medium")
    _apply(installation, "queues: {personal: {matches: {data_class: legal}}}")
    with pytest.raises(RefusedByPolicy):
        change(request, "talent-reviewer", payload={"to": ["q@acme.com"]})


@pytest.mark.slow
def test_a_rule_may_fall_back_only_on_a_queue_that_exists_and_no_queue_is_named_auto(db: None) -> None:
    installation = build()
    with pytest.raises(Exception, match="nobody"):
        _apply(installation, EVERYWHERE.replace("QUEUE", "auto/nobody"))
    with pytest.raises(Exception, match="leaves the choice"):
        _apply(installation, "queues: {auto: {reviewers: [talent]}}")


@pytest.mark.slow
def test_a_full_queue_throttles_until_something_leaves_it(db: None) -> None:
    installation = build()
    _apply(installation, "queues: {outreach: {capacity: 2}}")
    first = hold_mail(installation, "one")
    hold_mail(installation, "two")
    answer = ask(installation, "three", **MAIL)
    assert (answer.effect, [reason["code"] for reason in answer.reasons]) == ("throttle", ["queue_full"])
    assert answer.retry_at is not None
    ApprovalRequest.objects.filter(pk=first.pk).update(state="cancelled")
    assert ask(installation, "four", **MAIL).effect == "review"
    assert queue_document(Queue.objects.get(slug="outreach"))["capacity"] == 2


CROWD = """
queues: {outreach: {capacity: 3}}
policies:
  job-applications: {rules: [{review: {name: mail, verb: "email.**", queue: outreach}}]}
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_many_agents_at_once_never_overfill_a_queue() -> None:
    installation = build()
    _apply(installation, CROWD)
    first = installation.agent
    principals = []
    for number in range(8):
        agent = make_agent(f"a{number}", owner=first.owner, team=first.team, by=installation.admin, now=sql.now())
        principals.append(authenticate(make_key(agent, by=installation.admin, now=sql.now())[1], now=sql.now()))
    raw = json.dumps(MAIL).encode()
    answers = at_once(*[partial(gateway.ask, principal=one, key="k", raw=raw) for one in principals])
    effects = [answer.effect for answer in answers]
    assert (effects.count("review"), effects.count("throttle")) == (3, 5)
    assert ApprovalRequest.objects.count() == 3
