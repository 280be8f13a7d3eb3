"""Queues as documents: people, escalation, capacity, what they take by themselves, templates."""

from __future__ import annotations

import pytest
import yaml

from approvals.models import Queue
from approvals.templates import TEMPLATES
from audit.models import Entry
from controlplane.apply import Plan, export_document
from registry.models import User
from tests.controlplane.apply.conftest import apply, refused, signs
from tests.world import NOW

DOCUMENT = """
queues:
  finance:
    template: financial
    reviewers: [talent, "user:talent-reviewer"]
    escalate: {after: 90m, to: chiefs}
    capacity: 40
    matches: {verb: ["payment.**", "refund.*"], amount_over: {value: "10.00", currency: EUR}, risk: high}
  chiefs: {reviewers: ["user:talent-lead"]}
"""


def export(by: User) -> dict[str, object]:
    """Return the exported document's queues."""
    found: dict[str, object] = yaml.safe_load(export_document(by=by, now=NOW))["queues"]
    return found


def test_a_queue_comes_back_as_it_was_written(example: Plan, admin: User) -> None:
    assert signs(apply(DOCUMENT, admin)) == {"queues/chiefs": "+", "queues/finance": "+"}
    assert export(admin)["finance"] == {
        "reviewers": ["talent", "user:talent-reviewer"], "quorum": 2, "ttl": "8h", "edits": True,
        "editor_may_approve": False, "owner_may_approve": False,
        "confirm_amount_over": {"value": "1000.00", "currency": "USD"}, "capacity": 40,
        "escalate": {"after": "90m", "to": "chiefs"},
        "matches": {"verb": ["payment.**", "refund.*"], "amount_over": {"value": "10.00", "currency": "EUR"},
                    "risk": ["high"]},
    }  # fmt: skip
    again = yaml.safe_dump({"queues": export(admin)}, allow_unicode=True)
    entries = Entry.objects.count()
    assert not apply(again, admin).changed
    assert not apply(DOCUMENT, admin).changed
    assert Entry.objects.count() == entries
    apply("queues: {finance: {escalate: null, matches: {}, capacity: 0}}", admin)
    assert not {"escalate", "matches", "capacity"} & set(export(admin)["finance"])  # type: ignore[call-overload]


@pytest.mark.slow
def test_every_template_is_a_queue(example: Plan, admin: User) -> None:
    text = "\n".join(f"  {name}: {{template: {name}, reviewers: [talent]}}" for name in TEMPLATES)
    apply(f"queues:\n{text}", admin)
    for name, template in TEMPLATES.items():
        queue = Queue.objects.get(slug=name)
        assert (queue.quorum, queue.bulk_limit) == (template.document["quorum"], 0)
        assert queue.confirm_amount_over is not None
        assert queue.matches == template.document["matches"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("entry", "place"),
    [("template: odd", "/queues/outreach/template"), ("escalate: {after: 2h}", "/queues/outreach/escalate/to"),
     ("escalate: {after: soon, to: x}", "/queues/outreach/escalate/after"),
     ("escalate: {after: 2h, to: nobody}", "/queues/outreach/escalate/to"),
     ("escalate: {after: 2h, to: outreach}", "/queues/outreach/escalate/to"),
     ("escalate: {after: 48h, to: other}", "/queues/outreach/escalate/after"),
     ("matches: {verbs: x}", "/queues/outreach/matches/verbs"), ("matches: [x]", "/queues/outreach/matches"),
     ("matches: {risk: huge}", "/queues/outreach/matches/risk"), ("capacity: -1", "/queues/outreach/capacity"),
     ("capacity: 99999", "/queues/outreach/capacity"), ('reviewers: ["user:ghost"]', "/queues/outreach/reviewers/0")],
)  # fmt: skip
def test_defects_are_named_where_they_stand(example: Plan, admin: User, entry: str, place: str) -> None:
    found = refused(f"queues:\n  other: {{reviewers: [talent]}}\n  outreach: {{{entry}}}", admin)
    assert any(each.split(" ", 1)[1] == place for each in found), found
    assert not Queue.objects.filter(slug="other").exists()
