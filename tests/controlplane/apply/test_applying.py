"""Applying documents: what changes, what does not, what is refused."""

from __future__ import annotations

import re

import pytest
import yaml

from approvals.models import Queue
from audit.models import Entry
from audit.refusals import Forbidden
from controlplane.apply import DocumentRefused, Plan, apply_document, export_document
from costs.models import Budget
from policies.models import Revision
from registry import operations
from registry.models import Agent, AgentVersion, Release, Team, User, Verb
from registry.states import Role
from tests.controlplane.apply.conftest import EXAMPLE
from tests.world import NOW, make_person


def apply(text: str, by: User, *, dry_run: bool = False) -> Plan:
    return apply_document(text=text, by=by, now=NOW, dry_run=dry_run)


def signs(plan: Plan) -> dict[str, str]:
    return {f"{change.section}/{change.name}": change.sign for change in plan.changes}


def refused(text: str, by: User) -> list[str]:
    with pytest.raises(DocumentRefused) as caught:
        apply(text, by)
    return [f"{place.line} {place.pointer}" for place in caught.value.located]


def test_the_example_comes_into_force(example: Plan) -> None:
    assert set(signs(example).values()) == {"+"}
    assert Team.objects.get().lead == User.objects.get(username="talent-lead")
    assert Verb.objects.count() == 4
    assert list(Queue.objects.values_list("slug", flat=True)) == ["outreach"]
    assert list(Budget.objects.values_list("slug", flat=True)) == ["talent-month"]
    assert Revision.objects.get().state == "published"
    version = AgentVersion.objects.get()
    assert (version.number, version.state) == (1, "production")
    assert set(Release.objects.filter(version=version, state="live").values_list("environment", flat=True)) == {
        "staging",
        "production",
    }


def test_one_apply_publishes_one_revision(admin: User) -> None:
    more = EXAMPLE + ""
    second = "  other: {mode: enforce, rules: [{allow: {name: read, verb: report.read}}]}\n"
    apply(more.replace("policies:\n", f"policies:\n{second}"), admin)
    assert Revision.objects.count() == 1


def test_again_changes_nothing_and_leaves_no_entry(example: Plan, admin: User) -> None:
    entries = Entry.objects.count()
    plan = apply(EXAMPLE, admin)
    assert not plan.changed
    assert set(signs(plan).values()) == {"="}
    assert signs(plan).keys() == signs(example).keys()
    assert Entry.objects.count() == entries


def test_a_change_is_recorded_beside_its_parts(example: Plan) -> None:
    entry = Entry.objects.get(kind="configuration.applied")
    assert "+ agents/job-applier" in entry.details
    assert {"team.created", "agent.registered", "verb.created"} <= set(Entry.objects.values_list("kind", flat=True))


def test_dry_run_changes_nothing(admin: User) -> None:
    entries = Entry.objects.count()
    plan = apply(EXAMPLE, admin, dry_run=True)
    assert plan.changed
    assert "nothing was written" in str(plan)
    assert not Team.objects.exists()
    assert not Revision.objects.exists()
    assert Entry.objects.count() == entries
    assert signs(apply(EXAMPLE, admin)) == signs(plan)


def test_keys_that_are_absent_stay_untouched(example: Plan, admin: User) -> None:
    plan = apply("agents: {job-applier: {purpose: Other}}\nqueues: {outreach: {quorum: 2}}", admin)
    assert signs(plan) == {"agents/job-applier": "~", "queues/outreach": "~"}
    agent = Agent.objects.get()
    assert (agent.purpose, agent.name, agent.tags) == ("Other", "Job application agent", ["hr"])
    queue = Queue.objects.get()
    assert (queue.quorum, queue.edits, queue.ttl_seconds) == (2, True, 86_400)


def test_a_policy_joins_the_published_set(example: Plan, admin: User) -> None:
    document = "policies: {second: {mode: enforce, rules: [{forbid: {name: never, verb: payment.transfer}}]}}"
    assert signs(apply(document, admin)) == {"policies/second": "+"}
    assert set(Revision.objects.get(state="published").document) == {"job-applications", "second"}


def test_the_plan_shows_the_difference(example: Plan, admin: User) -> None:
    shown = str(apply("teams: {talent: {name: People}}\nverbs: {report.read: {capability: read}}", admin))
    assert shown.splitlines() == [
        "~ teams/talent",
        "    - name: Talent",
        "    + name: People",
        "= verbs/report.read",
        "0 added, 1 changed, 1 unchanged.",
    ]


def test_another_owner_or_team_is_a_transfer(example: Plan, admin: User) -> None:
    apply("agents: {job-applier: {owner: talent-reviewer}}", admin)
    assert Agent.objects.get().epoch == 2
    assert Entry.objects.filter(kind="agent.transferred").exists()


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
        ("data_scopes: [candidates]", "data_scopes: [No]", "15 /agents/job-applier/data_scopes"),
        ("reviewers: [talent]", "reviewers: [void]", "19 /queues/outreach/reviewers/0"),
        ("reviewers: [talent], ", "", "19 /queues/outreach/reviewers"),
        ("queue: outreach", "queue: void", "26 /policies/job-applications/rules/1/review/queue"),
        ("expect: review}", "expect: allow}", "32 /policies/job-applications/tests/0"),
        ("{team: talent, per", "{team: void, per", "34 /budgets/talent-month"),
        ("limit_usd: \"200.00\"", "limit_usd: \"-1\"", "34 /budgets/talent-month/limit_usd"),
    ],
)  # fmt: skip
def test_a_defect_of_meaning_has_its_line_and_nothing_changes(admin: User, old: str, new: str, where: str) -> None:
    entries = Entry.objects.count()
    assert old in EXAMPLE
    assert refused(EXAMPLE.replace(old, new, 1), admin) == [where]
    assert not Team.objects.exists()
    assert Entry.objects.count() == entries


def test_several_defects_of_one_section_are_listed_together(example: Plan, admin: User) -> None:
    text = "agents:\n  a: {owner: nobody, team: talent}\n  b: {owner: talent-lead, team: void}\n  c: {name: C}"
    assert refused(text, admin) == ["2 /agents/a/owner", "3 /agents/b/team", "4 /agents/c/owner", "4 /agents/c/team"]


def test_an_operator_applies_what_is_theirs(example: Plan) -> None:
    lead = User.objects.get(username="talent-lead")
    assert not apply(EXAMPLE, lead).changed
    assert apply("agents: {job-applier: {purpose: Other}}", lead).changed
    with pytest.raises(Forbidden, match="^Line 2: teams/talent: Only administrators"):
        apply("teams:\n  talent: {name: Other}", lead)
    with pytest.raises(Forbidden, match="^Line 1: verbs/report.read"):
        apply("verbs: {report.read: {capability: write}}", lead)
    with pytest.raises(Forbidden, match="^Line 1: policies: Publishing"):
        apply("policies: {x: {mode: enforce, rules: [{allow: {name: a, verb: report.read}}]}}", lead)


def test_a_strangers_document_finds_nothing(example: Plan, admin: User) -> None:
    stranger = make_person("stranger", Role.OPERATOR)
    assert refused(EXAMPLE, stranger) == ["2 /teams/talent"]
    assert refused("agents:\n  job-applier: {purpose: Other}", stranger) == ["2 /agents/job-applier"]


def test_a_deactivated_person_applies_nothing(example: Plan, admin: User) -> None:
    lead = User.objects.get(username="talent-lead")
    operations.deactivate(user=lead, by=admin, now=NOW)
    with pytest.raises(Forbidden):
        apply(EXAMPLE, lead)


def test_export_gives_the_same_document_back(example: Plan, admin: User) -> None:
    exported = export_document(by=admin, now=NOW)
    assert yaml.safe_load(exported) == yaml.safe_load(EXAMPLE)
    assert not apply(exported, admin).changed
    assert export_document(by=admin, now=NOW) == exported


def test_an_export_builds_the_same_installation_elsewhere(example: Plan, admin: User) -> None:
    exported = export_document(by=admin, now=NOW)
    renamed = re.sub(r"\b(talent|job-applier|outreach|job-applications|talent-month)\b(?!-(lead|reviewer))", r"\1-2", exported)
    apply(renamed, admin)
    assert not apply(renamed, admin).changed


def test_export_of_nothing_can_be_applied(admin: User) -> None:
    exported = export_document(by=admin, now=NOW)
    assert exported == "{}\n"
    assert apply(exported, admin).changes == ()


def test_a_deactivated_member_or_owner_does_not_stand_in_the_way(example: Plan, admin: User) -> None:
    operations.deactivate(user=User.objects.get(username="talent-lead"), by=admin, now=NOW)
    assert not apply(export_document(by=admin, now=NOW), admin).changed


def test_a_retired_agent_is_not_exported_and_not_changed(example: Plan, admin: User) -> None:
    operations.retire_agent(agent=Agent.objects.get(), reason="done", by=admin, now=NOW)
    assert "job-applier:" not in export_document(by=admin, now=NOW)
    assert refused("agents: {job-applier: {purpose: Other}}", admin) == ["1 /agents/job-applier"]


def test_only_those_who_see_everything_export(example: Plan) -> None:
    auditor = make_person("auditor", Role.AUDITOR)
    assert export_document(by=auditor, now=NOW)
    assert Entry.objects.filter(kind="configuration.exported", actor_id="auditor").count() == 1
    with pytest.raises(Forbidden):
        export_document(by=User.objects.get(username="talent-lead"), now=NOW)
