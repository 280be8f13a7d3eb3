"""Applying documents to an installation that the example describes; exporting it."""

from __future__ import annotations

import re

import pytest
import yaml

from approvals.models import Queue
from audit.models import Entry
from audit.refusals import Forbidden
from controlplane.apply import Plan, export_document
from costs.models import Budget
from policies.models import Revision
from registry import operations
from registry.models import Agent, AgentVersion, Release, Team, User, Verb
from registry.states import Role
from tests.controlplane.apply.conftest import EXAMPLE, apply, refused, signs
from tests.world import NOW, make_person


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


def test_several_defects_of_one_section_are_listed_together(example: Plan, admin: User) -> None:
    text = "agents:\n  a: {owner: nobody, team: talent}\n  b: {owner: talent-lead, team: void}\n  c: {name: C}"
    assert refused(text, admin) == ["2 /agents/a/owner", "3 /agents/b/team", "4 /agents/c/owner", "4 /agents/c/team"]


def test_an_operator_applies_what_is_theirs(example: Plan, admin: User) -> None:
    apply("teams: {other: {}}", admin)
    lead = User.objects.get(username="talent-lead")
    assert not apply(EXAMPLE, lead).changed
    assert apply("agents: {job-applier: {purpose: Other}}", lead).changed
    with pytest.raises(Forbidden, match=r"^Line 2: teams/talent: Only administrators"):
        apply("teams:\n  talent: {name: Other}", lead)
    with pytest.raises(Forbidden, match=r"^Line 1: verbs/report.read"):
        apply("verbs: {report.read: {capability: write}}", lead)
    with pytest.raises(Forbidden, match=r"^Line 1: policies: Publishing"):
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
    renamed = re.sub(
        r"\b(talent|job-applier|outreach|job-applications|talent-month)\b(?!-(lead|reviewer))", r"\1-2", exported
    )
    apply(renamed, admin)
    assert not apply(renamed, admin).changed


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
