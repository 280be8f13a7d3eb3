"""Obligations on their way: in the answer, on the decision, out of a redemption; and what is told of new rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from audit import sql
from controlplane.apply import DocumentRefused, apply_document, export_document
from policies.language import DocumentInvalid
from policies.models import Decision
from policies.operations import publish_set, published_policies
from policies.operations.revisions import normal_form
from tests.approvals.steps import ask, hold_mail, redeem, say
from tests.journeys.installation import Installation, build

RULES = """
policies:
  job-applications:
    applies_to: {agents: [job-applier]}
    mode: enforce
    rules:
      - allow: {name: submit, verb: form.submit, obligations: ["log:full", "redact:pii"]}
      - review: {name: mail, verb: "email.**", queue: outreach, obligations: ["notify:talent"]}
      - review: {name: tainted, provenance: {at: [/body, "/to/*"], from: [web, tool]}, queue: outreach}
      - forbid: {name: odd, verb: "form.**", when: "has(action.amount) && action.units > 3"}
      - split: {name: drip, verb: "email.**", distinct: destination, max: 50, per: 1h}
      - split: {name: sums, sum: amount, max: {value: "50000.00", currency: USD}, per: 1d, by: team}
      - freeze: {name: year-end, zone: Europe/Berlin, from: 2030-12-24, until: "2031-01-02T06:00"}
    tests:
      - action: {verb: email.send, payload: {to: [a@example.com]}, provenance: {/to/0: user}}
        at: "2026-11-23T10:00:00+01:00"
        expect: review
"""

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def installation() -> Installation:
    made = build()
    apply_document(text=RULES, by=made.admin, now=sql.now(), dry_run=False)
    return made


def _told(obligations: list[dict[str, Any]]) -> list[str]:
    return sorted(f"{one['rule']} {one['name']}:{one['value']}" for one in obligations)


FORM = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/apply"}}


def test_an_answer_carries_them_and_the_decision_keeps_them(installation: Installation) -> None:
    answer = ask(installation, "one", **FORM)
    assert _told(answer.as_json()["obligations"]) == ["submit log:full", "submit redact:pii"]
    assert Decision.objects.get(pk=answer.id).obligations == answer.obligations
    again = ask(installation, "one", **FORM)
    assert (again.replayed, again.obligations) == (True, answer.obligations)
    denied = ask(installation, "two", **FORM, units=4, amount={"value": "1", "currency": "USD"})
    assert (denied.effect, denied.obligations) == ("deny", [])


def test_a_redemption_adds_those_of_the_policies_of_now(installation: Installation) -> None:
    approved = say(hold_mail(installation), "talent-reviewer")
    policies = published_policies()
    policies["more"] = {"rules": [{"allow": {"name": "log", "verb": "email.**", "obligations": ["log:full"]}}]}
    publish_set(policies=policies, queues={"outreach"}, by=installation.admin, now=sql.now(), reason="")
    first = redeem(installation, approved).as_json()
    assert _told(first["obligations"]) == ["log log:full", "mail notify:talent"]
    assert redeem(installation, approved).as_json() == {**first, "replayed": True}
    assert Decision.objects.get(pk=approved.decision_id).obligations == first["obligations"]


def test_a_document_comes_back_as_it_was_applied(installation: Installation) -> None:
    exported = export_document(by=installation.admin, now=sql.now())
    for text in ("from: 2030-12-24", "log:full", "action.units > 3", "distinct: destination", "/to/*"):
        assert text in exported
    plan = apply_document(text=exported, by=installation.admin, now=sql.now(), dry_run=True)
    assert not plan.changed
    assert normal_form(published_policies()) == published_policies()
    assert json.dumps(published_policies())


DEFECTS = [
    ("units > 3", "units >", "10 /policies/job-applications/rules/3/forbid/when"),
    ("has(action.amount) && ", "action.amount.nano > 1 && ", "10 /policies/job-applications/rules/3/forbid/when"),
    ("from: [web, tool]", "from: [web, rumour]", "9 /policies/job-applications/rules/2/review/provenance/from/1"),
    ("max: 50,", "max: none,", "11 /policies/job-applications/rules/4/split/max"),
    ('until: "2031', 'until: "2029', "13 /policies/job-applications/rules/6/freeze/until"),
    ("log:full", "log:some", "7 /policies/job-applications/rules/0/allow/obligations/0"),
]


def test_a_defect_is_refused_with_its_line(installation: Installation) -> None:
    for old, new, place in DEFECTS:
        with pytest.raises(DocumentRefused) as refused:
            apply_document(text=RULES.replace(old, new, 1), by=installation.admin, now=sql.now(), dry_run=True)
        assert [f"{where.line} {where.pointer}" for where in refused.value.located] == [place]


def test_a_condition_without_an_answer_is_not_even_kept_as_a_draft() -> None:
    with pytest.raises(DocumentInvalid):
        normal_form({"p": {"rules": [{"forbid": {"name": "x", "when": "action.amount.nano > 3"}}]}})
