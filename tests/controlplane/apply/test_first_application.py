"""Applying documents to an empty installation: what is refused, what comes into force."""

from __future__ import annotations

import pytest

from audit.models import Entry
from controlplane.apply import export_document
from policies.models import Revision
from registry.models import Team, User
from tests.controlplane.apply.conftest import EXAMPLE, apply, refused, signs
from tests.world import NOW


def test_one_apply_publishes_one_revision(admin: User) -> None:
    more = EXAMPLE + ""
    second = "  other: {mode: enforce, rules: [{allow: {name: read, verb: report.read}}]}\n"
    apply(more.replace("policies:\n", f"policies:\n{second}"), admin)
    assert Revision.objects.count() == 1


def test_dry_run_changes_nothing(admin: User) -> None:
    entries = Entry.objects.count()
    plan = apply(EXAMPLE, admin, dry_run=True)
    assert plan.changed
    assert "nothing was written" in str(plan)
    assert not Team.objects.exists()
    assert not Revision.objects.exists()
    assert Entry.objects.count() == entries
    assert signs(apply(EXAMPLE, admin)) == signs(plan)


FORM = """\
teams:
  talent:
    nam: Talent
    members: talent-lead
verbs:
  form.submit: {capability: writ}
agents:
  job-applier:
    owner: [a]
    capabilities: [read, fly, read]
    enforcement: 3
queues:
  outreach: {quorum: 0, ttl: soon, edits: 1}
policies:
  p: {mode: enforce, rules: [{allow: {verb: x}}]}
budgets:
  b: {per: year}
things: {}
"""


def test_every_defect_of_form_is_listed_with_its_line(admin: User) -> None:
    assert refused(FORM, admin) == [
        "3 /teams/talent/nam",
        "4 /teams/talent/members",
        "6 /verbs/form.submit/capability",
        "9 /agents/job-applier/owner",
        "10 /agents/job-applier/capabilities/1",
        "10 /agents/job-applier/capabilities/2",
        "11 /agents/job-applier/enforcement",
        "13 /queues/outreach/edits",
        "13 /queues/outreach/quorum",
        "13 /queues/outreach/ttl",
        "15 /policies/p/rules/0/allow/name",
        "17 /budgets/b/per",
        "18 /things",
    ]


@pytest.mark.parametrize("text", ["[a]", "word", "teams: [a]", "teams: {talent: [a]}", "agents: {x: }", "budgets: 3"])
def test_another_shape_is_refused(admin: User, text: str) -> None:
    assert len(refused(text, admin)) == 1


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("members: [talent-lead,", "members: [nobody, talent-lead,", "2 /teams/talent/members/0"),
        ("lead: talent-lead}", "lead: admin}", "2 /teams/talent/lead"),
        ("  talent: {", "  Talent: {", "2 /teams/Talent/slug"),
        ("owner: talent-lead", "owner: nobody", "11 /agents/job-applier/owner"),
        ("    owner: talent-lead\n", "", "9 /agents/job-applier/owner"),
        ("    team: talent\n", "    team: void\n", "12 /agents/job-applier/team"),
        ("data_scopes: [candidates]", "data_scopes: [Big]", "15 /agents/job-applier/data_scopes"),
        ("reviewers: [talent]", "reviewers: [void]", "19 /queues/outreach/reviewers/0"),
        ("reviewers: [talent], ", "", "19 /queues/outreach/reviewers"),
        ("queue: outreach", "queue: void", "26 /policies/job-applications/rules/1/review/queue"),
        ("expect: review}", "expect: allow}", "32 /policies/job-applications/tests/0"),
        ("{team: talent, per", "{team: void, per", "34 /budgets/talent-month"),
        ('limit_usd: "200.00"', 'limit_usd: "-1"', "34 /budgets/talent-month/limit_usd"),
    ],
)  # fmt: skip
def test_a_defect_of_meaning_has_its_line_and_nothing_changes(admin: User, old: str, new: str, where: str) -> None:
    entries = Entry.objects.count()
    assert old in EXAMPLE
    assert refused(EXAMPLE.replace(old, new, 1), admin) == [where]
    assert not Team.objects.exists()
    assert Entry.objects.count() == entries


def test_export_of_nothing_can_be_applied(admin: User) -> None:
    exported = export_document(by=admin, now=NOW)
    assert exported == "{}\n"
    assert apply(exported, admin).changes == ()
