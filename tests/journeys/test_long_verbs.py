"""What an administrator may save never makes the policies in force unreadable; and what does is nobody's own fault."""

from __future__ import annotations

import json

import pytest
from django.db.models import F

from approvals.models import ApprovalRequest
from audit import sql
from audit.refusals import Unavailable
from controlplane import gateway
from controlplane.apply import apply_document
from policies.models import Decision
from registry.authentication import authenticate
from registry.models import Catalogue, Verb
from tests.journeys.installation import build

FORM = {"verb": "form.submit", "payload": {"url": "https://jobs.example.com/apply"}, "units": 1}
# Longer than the name of a rule may be.
LONG = "crm.contacts." + "synchronise_everything_with_the_other_system_of_the_sales_team"

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def test_a_long_verb_that_people_look_at_holds_its_actions_and_nobody_elses() -> None:
    installation = build()
    verbs = f"verbs: {{{LONG}: {{capability: write, review: outreach}}}}"
    apply_document(text=verbs, by=installation.admin, now=sql.now(), dry_run=False)
    principal = authenticate(installation.key, now=sql.now())
    assert principal is not None
    assert gateway.ask(principal=principal, key="1", raw=json.dumps(FORM).encode()).effect == "allow"
    held = gateway.ask(principal=principal, key="2", raw=json.dumps({**FORM, "verb": LONG}).encode())
    assert held.effect == "review"
    assert ApprovalRequest.objects.get().decision_id == held.id


def test_policies_that_cannot_be_read_decide_nothing_and_blame_no_body() -> None:
    installation = build()
    principal = authenticate(installation.key, now=sql.now())
    assert principal is not None
    # As somebody with the database could, or a version to come.
    Verb.objects.filter(name="form.submit").update(spec={"capability": "no such"})
    Catalogue.objects.update(revision=F("revision") + 1)
    with pytest.raises(Unavailable):
        gateway.ask(principal=principal, key="1", raw=json.dumps(FORM).encode())
    assert not Decision.objects.exists()
