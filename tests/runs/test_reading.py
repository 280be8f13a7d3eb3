"""Who sees runs, who reads payloads, stubs by name, and lists that stay fast."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection

from audit.models import Entry
from audit.refusals import Forbidden, Invalid, Missing
from registry.models import Agent, User
from registry.operations import transfer_agent
from registry.states import Role
from runs.models import Payload, Run, Step
from runs.operations import read_payload, stub_run
from runs.permissions import may_read_payload
from tests.runs.reports import report, run, step
from tests.world import NOW, World, make_agent, make_key, make_person, make_world

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def world() -> World:
    world = make_world()
    report(world.agent, run(), step(input={"to": "jane@acme.com"}, output="sent"))
    return world


def the_step() -> Step:
    return Step.objects.select_related("run__agent__team", "agent").get()


def test_runs_are_seen_by_role_and_team(world: World) -> None:
    seers = [world.admin, world.auditor, world.operator, world.owner]
    for person in (*seers, world.reviewer, world.second, world.stranger):
        assert Run.objects.visible_to(person).exists() == (person in seers)
        assert Step.objects.visible_to(person).exists() == (person in seers)


def test_runs_stay_with_the_team_of_their_time(world: World) -> None:
    newcomer = make_person("newcomer", Role.OWNER)
    transfer_agent(agent=world.agent, team=world.other, owner=newcomer, by=world.admin, now=NOW)
    agent = Agent.objects.select_related("team").get()
    report(agent, run("later"))
    assert [row.event_id for row in Run.objects.visible_to(world.operator)] == ["r1"]
    assert [row.event_id for row in Run.objects.visible_to(world.stranger)] == ["later"]
    assert {row.event_id for row in Run.objects.visible_to(newcomer)} == {"r1", "later"}
    # The new owner does not belong to the old team, the old owner owns nothing any more.
    assert not may_read_payload(newcomer, Run.objects.get(event_id="r1"))
    assert not may_read_payload(world.owner, Run.objects.get(event_id="r1"))


def test_owner_reads_payloads_and_the_trail_says_so(world: World) -> None:
    payload = read_payload(step=the_step(), by=world.owner, now=NOW)
    assert (payload.input, payload.output) == ('{"to":"jane@acme.com"}', "sent")
    entry = Entry.objects.get(kind="payload.read")
    assert (entry.actor_id, entry.object_type, entry.team, entry.agent) == (
        "talent-lead",
        "step",
        "talent",
        "job-applier",
    )
    assert "jane" not in entry.details


def test_administrator_breaks_the_glass_with_a_reason(world: World) -> None:
    with pytest.raises(Forbidden):
        read_payload(step=the_step(), by=world.admin, now=NOW)
    with pytest.raises(Forbidden):
        read_payload(step=the_step(), by=world.admin, now=NOW, reason="  ")
    read_payload(step=the_step(), by=world.admin, now=NOW, reason="complaint 17")
    assert json.loads(Entry.objects.get(kind="payload.break_glass").details)["reason"] == "complaint 17"


def test_others_read_no_payloads(world: World) -> None:
    for person, refusal in [
        (world.operator, Forbidden), (world.auditor, Forbidden), (world.reviewer, Missing), (world.stranger, Missing),
    ]:  # fmt: skip
        with pytest.raises(refusal):
            read_payload(step=the_step(), by=person, now=NOW, reason="curious")
    assert not Entry.objects.filter(kind__startswith="payload.").exists()


def test_erased_payload_reads_as_empty(world: World) -> None:
    Payload.objects.all().delete()
    payload = read_payload(step=the_step(), by=world.owner, now=NOW)
    assert (payload.input, payload.output, the_step().output_size) == ("", "", 4)


def test_stub_is_made_once_and_found_again(world: World) -> None:
    one = stub_run(principal=world.principal, version_id=None, reference="exec-9", now=NOW)
    two = stub_run(principal=world.principal, version_id=None, reference="exec-9", now=NOW + timedelta(minutes=1))
    stub = Run.objects.get(pk=one)
    assert (one, stub.is_stub, stub.event_id, stub.team, stub.environment, stub.started_at) == (
        two, True, "exec-9", "talent", "production", NOW,
    )  # fmt: skip
    assert not Entry.objects.filter(object_id=str(one)).exists()


def test_stub_is_not_made_for_what_is_known(world: World) -> None:
    report(world.agent, run("r2", external_id="x-2"))
    known = Run.objects.get(event_id="r2")
    for name in ("r2", "x-2", str(known.pk)):
        assert stub_run(principal=world.principal, version_id=None, reference=name, now=NOW) == known.pk
    assert Run.objects.count() == 2


@pytest.mark.parametrize("name", ["", "x" * 256, "a\x00b", "token=abcdef123456"])
def test_stub_needs_a_name(world: World, name: str) -> None:
    with pytest.raises(Invalid):
        stub_run(principal=world.principal, version_id=None, reference=name, now=NOW)


def test_stub_of_another_environment_is_refused(world: World) -> None:
    report(world.agent, run("staged"), environment="staging")
    with pytest.raises(Invalid):
        stub_run(principal=world.principal, version_id=None, reference="staged", now=NOW)


def test_named_prefers_the_event_id(world: World) -> None:
    report(world.agent, run("a", external_id="b"), run("b", external_id="c"))
    other = make_agent("other", owner=world.owner, team=world.team, by=world.admin)
    make_key(other, by=world.admin)
    own = Run.objects.of_agent(world.agent)
    first, second = own.get(event_id="a"), own.get(event_id="b")
    assert list(own.named("b")) == [second, first]
    assert list(own.named(str(first.pk))) == [first]
    assert list(Run.objects.of_agent(other).named("a")) == []


def test_querysets_keep_what_they_name(world: World) -> None:
    report(
        world.agent,
        run("old", started_at="2026-11-20T00:00:00Z", status="succeeded"),
        run("bad", status="crashed"),
        run("held", status="waiting"),
    )
    names = {
        "open": Run.objects.open(), "failed": Run.objects.failed(), "since": Run.objects.since(NOW - timedelta(days=1)),
        "quiet": Run.objects.quiet_since(NOW + timedelta(seconds=1)),
    }  # fmt: skip
    assert {name: {row.event_id for row in rows} for name, rows in names.items()} == {
        "open": {"r1", "held"}, "failed": {"bad"}, "since": {"r1", "bad", "held"}, "quiet": {"r1", "held"},
    }  # fmt: skip
    assert [row.event_id for row in Run.objects.with_agent()][-1] == "old"


@pytest.mark.parametrize(
    "rows",
    [
        lambda agent: Run.objects.all(),
        lambda agent: Run.objects.visible_to(User.objects.get(username="talent-operator")),
        Run.objects.of_agent,
        lambda agent: Run.objects.filter(status="failed"),
        lambda agent: Run.objects.filter(team="talent"),
    ],
)
def test_pages_of_runs_sort_nothing(world: World, rows: object) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's planner needs many rows to choose an index")
    plan = rows(world.agent)[:50].explain()  # type: ignore[operator]
    assert "USE TEMP B-TREE" not in plan
    assert "INDEX" in plan
