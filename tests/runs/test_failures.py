"""Failures: grouped once per cause, regressing, handled by those who may."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from audit.models import Entry
from audit.refusals import Forbidden, IllegalTransition, Invalid, Missing, Stale
from registry.models import Agent, AgentVersion
from runs.models import Failure, Run, Step
from runs.operations import assign_failure, mute_failure, reopen_failure, resolve_failure, unmute_failure
from runs.states import FailureState
from tests.runs.reports import error, report, run, step
from tests.world import NOW, World, make_agent, make_world

pytestmark = pytest.mark.django_db


def failing(event_id: str, message: str = "row 7 is bad", **said: object) -> dict[str, object]:
    return step(event_id, status="failed", error=error(message), **said)


def make_version(agent: Agent, number: int) -> AgentVersion:
    return AgentVersion.objects.create(
        agent=agent, number=number, checksum=str(number), created_at=NOW, created_by=agent.owner
    )


def test_like_failures_are_one_group(agent: Agent) -> None:
    report(agent, failing("s1"), failing("s2", "Row 8 is bad"), failing("s3", name="send"), step("s4"))
    report(agent, failing("s5", "row 9 is bad", started_at="2026-11-23T09:30:00Z"))
    groups = {row.step_name: row for row in Failure.objects.all()}
    assert {name: row.count for name, row in groups.items()} == {"fetch": 3, "send": 1}
    fetch = groups["fetch"]
    assert (fetch.state, fetch.error_type, fetch.message) == ("new", "Timeout", "row 7 is bad")
    assert (fetch.first_seen, fetch.last_seen) == (
        NOW - timedelta(minutes=59, seconds=58, milliseconds=980),
        NOW - timedelta(minutes=29, seconds=59, milliseconds=980),
    )
    assert Step.objects.filter(failure=fetch).count() == 3
    assert Entry.objects.filter(kind="failure.new").count() == 2


def test_failure_sent_twice_counts_once(agent: Agent) -> None:
    report(agent, failing("s1"), run(status="failed", error=error("row 7 is bad")))
    report(agent, failing("s1"), run(status="failed", error=error("row 7 is bad")))
    assert Failure.objects.get().count == 1


@pytest.mark.parametrize("steps_first", [True, False])
def test_run_and_the_step_that_failed_it_count_once(agent: Agent, steps_first: bool) -> None:
    items = [failing("s1"), run(status="failed", error=error("row 12 is bad"))]
    for item in items if steps_first else reversed(items):
        report(agent, item)
    failure = Failure.objects.get()
    assert failure.count == 1
    assert Run.objects.get().failure == Step.objects.get().failure == failure


def test_run_without_an_error_joins_its_failing_step(agent: Agent) -> None:
    report(agent, failing("s1"), run(status="crashed"))
    failure = Failure.objects.get()
    assert (failure.step_name, failure.count, Run.objects.get().failure) == ("fetch", 1, failure)


def test_run_that_no_step_explains_is_its_own_failure(agent: Agent) -> None:
    report(agent, failing("s1"), run(status="failed", error=error("out of money")))
    assert sorted(Failure.objects.values_list("step_name", "message")) == [
        ("", "out of money"), ("fetch", "row 7 is bad"),
    ]  # fmt: skip


def test_cancelled_run_is_no_failure(agent: Agent) -> None:
    report(agent, run(status="cancelled"))
    assert not Failure.objects.exists()


def test_agents_do_not_share_failures(agent: Agent) -> None:
    other = make_agent("other", owner=agent.owner, team=agent.team, by=agent.owner)
    report(agent, failing("s1"))
    report(other, failing("s1"))
    assert sorted(Failure.objects.values_list("agent__slug", "count")) == [("job-applier", 1), ("other", 1)]


def test_resolved_failure_regresses_when_it_happens_again(agent: Agent) -> None:
    report(agent, failing("s1"))
    resolve_failure(failure=Failure.objects.get(), by=agent.owner, now=NOW)
    later = NOW + timedelta(minutes=10)
    report(agent, failing("s2", started_at="2026-11-23T10:05:00Z"), now=later)
    failure = Failure.objects.get()
    assert (failure.state, failure.count) == ("regressed", 2)
    assert Entry.objects.get(kind="failure.regressed").actor_id == "tests"


def test_what_happened_before_it_was_resolved_does_not_bring_it_back(agent: Agent) -> None:
    report(agent, failing("s1"))
    resolve_failure(failure=Failure.objects.get(), by=agent.owner, now=NOW)
    report(agent, failing("s2", started_at="2026-11-23T09:59:00Z"), now=NOW + timedelta(minutes=10))
    failure = Failure.objects.get()
    assert (failure.state, failure.count) == ("resolved", 2)


def test_older_version_does_not_bring_back_what_a_newer_one_mends(agent: Agent) -> None:
    old, mended = make_version(agent, 101), make_version(agent, 102)
    report(agent, run(), failing("s1"), version_id=old.pk)
    resolve_failure(failure=Failure.objects.get(), by=agent.owner, now=NOW, version=mended)
    late = {"started_at": "2026-11-23T10:05:00Z"}
    report(agent, failing("s2", **late), version_id=old.pk, now=NOW + timedelta(minutes=10))
    assert Failure.objects.get().state == FailureState.RESOLVED
    report(agent, run("r2"), failing("s3", run_id="r2", **late), version_id=mended.pk, now=NOW + timedelta(minutes=10))
    failure = Failure.objects.get()
    assert (failure.state, failure.first_version) == (FailureState.REGRESSED, old)


def test_states_move_as_the_table_says(agent: Agent) -> None:
    report(agent, failing("s1"))
    failure = Failure.objects.get()
    stale = Failure.objects.get()
    reopen_failure(failure=failure, by=agent.owner, now=NOW)
    with pytest.raises(IllegalTransition):
        reopen_failure(failure=failure, by=agent.owner, now=NOW)
    with pytest.raises(Stale):
        resolve_failure(failure=stale, by=agent.owner, now=NOW)
    resolve_failure(failure=failure, by=agent.owner, now=NOW)
    assert (failure.state, failure.resolved_at) == ("resolved", NOW)
    reopen_failure(failure=failure, by=agent.owner, now=NOW)
    assert (failure.state, failure.resolved_at) == ("open", None)


def test_muted_failure_counts_and_is_heard_again(agent: Agent) -> None:
    report(agent, failing("s1"))
    failure = Failure.objects.get()
    mute_failure(failure=failure, by=agent.owner, now=NOW, until=NOW + timedelta(hours=1))
    assert list(Failure.objects.muted(NOW)) == [failure]
    assert list(Failure.objects.unmuted(NOW)) == []
    assert list(Failure.objects.unmuted(NOW + timedelta(hours=1))) == [failure]
    mute_failure(failure=failure, by=agent.owner, now=NOW, until_count=3)
    report(agent, failing("s2"))
    failure.refresh_from_db()
    assert (failure.count, failure.is_muted(NOW)) == (2, True)
    report(agent, failing("s3"))
    failure.refresh_from_db()
    assert not failure.is_muted(NOW)
    assert list(Failure.objects.unmuted(NOW)) == [failure]
    mute_failure(failure=failure, by=agent.owner, now=NOW, until_count=9)
    unmute_failure(failure=failure, by=agent.owner, now=NOW)
    assert not Failure.objects.muted(NOW).exists()
    assert [entry.kind for entry in Entry.objects.about("failure", str(failure.pk)).order_by("id")] == [
        "failure.new", "failure.muted", "failure.muted", "failure.muted", "failure.unmuted",
    ]  # fmt: skip


@pytest.mark.parametrize("said", [{}, {"until": NOW}, {"until_count": 1}])
def test_mute_that_is_over_at_once_is_refused(agent: Agent, said: dict[str, object]) -> None:
    report(agent, failing("s1"))
    with pytest.raises(Invalid):
        mute_failure(failure=Failure.objects.get(), by=agent.owner, now=NOW, **said)  # type: ignore[arg-type]


def make_failure() -> tuple[World, Failure]:
    world = make_world()
    report(world.agent, failing("s1"))
    return world, Failure.objects.select_related("agent__team").get()


def test_assigning_opens_and_is_recorded() -> None:
    world, failure = make_failure()
    assign_failure(failure=failure, to=world.owner, by=world.operator, now=NOW)
    failure = Failure.objects.get()
    assert (failure.assigned_to, failure.state) == (world.owner, "open")
    assign_failure(failure=failure, to=None, by=world.operator, now=NOW)
    assert Failure.objects.get().assigned_to is None
    entries = Entry.objects.filter(kind="failure.assigned").order_by("id")
    assert [json.loads(entry.details)["to"] for entry in entries] == ["talent-lead", None]


def test_failure_goes_only_to_who_sees_it() -> None:
    world, failure = make_failure()
    with pytest.raises(Invalid):
        assign_failure(failure=failure, to=world.stranger, by=world.operator, now=NOW)


def test_who_may_handle_failures() -> None:
    world, failure = make_failure()
    for person, refusal in [
        (world.stranger, Missing), (world.reviewer, Missing), (world.auditor, Forbidden),
    ]:  # fmt: skip
        with pytest.raises(refusal):
            resolve_failure(failure=failure, by=person, now=NOW)
    for person in (world.operator, world.owner, world.admin):
        resolve_failure(failure=failure, by=person, now=NOW)
        reopen_failure(failure=failure, by=person, now=NOW)


def test_who_sees_failures() -> None:
    world, failure = make_failure()
    seers = [world.admin, world.auditor, world.operator, world.owner]
    for person in (*seers, world.reviewer, world.stranger):
        assert Failure.objects.visible_to(person).filter(pk=failure.pk).exists() == (person in seers)
