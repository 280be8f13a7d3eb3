"""Ingest: idempotent, free of order, first end stays, times by the server, one entry per batch."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

from audit.models import Entry
from audit.refusals import Missing, TooLarge
from registry.models import Agent
from registry.states import Environment
from runs.models import Payload, Run, Step
from runs.operations import add_steps, ingest, open_run, update_run
from tests.runs.reports import error, report, run, source, step, usage, words
from tests.world import INSTALLATION, NOW, make_agent

pytestmark = pytest.mark.django_db


def test_ingest_keeps_what_is_told(agent: Agent) -> None:
    told = run(
        external_id="x-9", task="invoices", ended_at="2026-11-23T09:01:00+00:00", status="failed",
        error=error(), output_summary="three of four", parent_run_id="p", retry_of="q",
    )  # fmt: skip
    outcome = report(agent, told, step(input={"a": 1}, output="text", status="failed", error=error()))
    kept, done = Run.objects.get(), Step.objects.get()
    assert words(outcome) == ["created", "created"]
    assert [result.id for result in outcome.results] == [kept.pk, done.pk]
    assert (kept.team, kept.environment, kept.source, kept.event_id, kept.external_id) == (
        "talent", "production", "api", "r1", "x-9",
    )  # fmt: skip
    assert (kept.status, kept.task, kept.error_type, kept.error_message) == ("failed", "invoices", "Timeout", "boom")
    assert (kept.parent_ref, kept.retry_ref, kept.parent_run) == ("p", "q", None)
    assert (kept.duration, kept.received_at) == (timedelta(minutes=1), NOW)
    assert (done.run, done.name, done.kind, done.duration_ms) == (kept, "fetch", "http", 20)
    assert (done.payload.input, done.payload.output) == ('{"a":1}', "text")
    assert (done.input_size, done.input_truncated) == (7, False)


def test_ingest_twice_changes_nothing(agent: Agent) -> None:
    items = [run(), step(usage=usage())]
    report(agent, *items)
    before = list(Run.objects.values()), list(Step.objects.values()), Entry.objects.count()
    again = report(agent, *items, now=NOW + timedelta(hours=1))
    assert words(again) == ["duplicate", "duplicate"]
    assert again.usages == ()
    assert (list(Run.objects.values()), list(Step.objects.values()), Entry.objects.count()) == before


def test_ingest_same_event_twice_in_one_batch_counts_once(agent: Agent) -> None:
    outcome = report(agent, run(), run(), step(), step())
    assert words(outcome) == ["created", "duplicate", "created", "duplicate"]


def test_ingest_takes_progress_and_an_old_report_again_changes_nothing(agent: Agent) -> None:
    stages = [run(), run(status="waiting"), run(status="succeeded", ended_at="2026-11-23T09:05:00Z")]
    assert [words(report(agent, stage)) for stage in stages] == [["created"]] * 3
    assert [words(report(agent, stage)) for stage in stages] == [["duplicate"]] * 3
    assert Run.objects.get().status == "succeeded"


def test_ingest_replay_of_an_open_status_does_not_turn_it_back(agent: Agent) -> None:
    report(agent, run())
    report(agent, run(status="waiting"))
    assert words(report(agent, run())) == ["duplicate"]
    assert Run.objects.get().status == "waiting"


def test_second_end_is_refused_and_flagged(agent: Agent) -> None:
    report(agent, run(status="succeeded"))
    outcome = report(agent, run(status="failed", error=error()))
    kept = Run.objects.get()
    assert words(outcome) == ["conflict"]
    assert outcome.results[0].id == kept.pk
    assert (kept.status, kept.error_type, kept.flags) == ("succeeded", "", {"conflicting_terminal": "failed"})


def test_same_end_with_other_content_is_refused_and_flagged(agent: Agent) -> None:
    report(agent, run(status="succeeded", output_summary="a"), step(output="a"))
    outcome = report(agent, run(status="succeeded", output_summary="b"), step(output="b"))
    assert words(outcome) == ["conflict", "conflict"]
    assert (Run.objects.get().output_summary, Payload.objects.get().output) == ("a", "a")
    assert Run.objects.get().flags == Step.objects.get().flags == {"conflicting_content": True}


def test_same_end_with_more_content_fills_in(agent: Agent) -> None:
    report(agent, run(status="succeeded"), step(input="in"))
    outcome = report(agent, run(status="succeeded", task="t"), step(input="in", output="out"))
    assert words(outcome) == ["created", "created"]
    assert (Run.objects.get().task, Payload.objects.get().input, Payload.objects.get().output) == ("t", "in", "out")


def test_further_side_of_a_payload_leaves_the_other_alone(agent: Agent) -> None:
    report(agent, step(input="in", status="running"))
    report(agent, step(output="out"))
    payload = Payload.objects.get()
    assert (payload.input, payload.output) == ("in", "out")


def test_every_order_of_arrival_ends_the_same(agent: Agent) -> None:
    items = [
        run(status="running", task="t"),
        run(external_id="x", status="failed", error=error(), ended_at="2026-11-23T09:02:00Z"),
        step(status="running"),
        step(status="failed", error=error(), usage=usage()),
    ]
    ends: list[Any] = []
    for number, order in enumerate(permutations(items)):
        name = {"run": f"r{number}", "step": f"s{number}"}
        used = 0
        for item in order:
            told = {**item, "event_id": name[item["type"]]} | ({"run_id": name["run"]} if "run_id" in item else {})
            used += len(report(agent, told).usages)
        kept = Run.objects.values(
            "external_id", "status", "task", "started_at", "ended_at", "error_type", "flags", "failure"
        ).get(event_id=name["run"])
        done = Step.objects.values("status", "error_type", "usage", "flags").get(event_id=name["step"])
        kept["failure"] = kept["failure"] is not None
        ends.append((kept, done, used))
    assert all(end == ends[0] for end in ends)
    assert (ends[0][0]["flags"], ends[0][0]["failure"], ends[0][2]) == ({}, True, 1)


def test_step_before_its_run_makes_a_stub_that_the_run_fills(agent: Agent) -> None:
    report(agent, step())
    stub = Run.objects.get()
    assert (stub.is_stub, stub.event_id, stub.status, stub.team) == (True, "r1", "running", "talent")
    report(agent, run(status="succeeded"))
    kept = Run.objects.get()
    assert (kept.pk, kept.is_stub, kept.status) == (stub.pk, False, "succeeded")
    assert kept.started_at == NOW - timedelta(hours=1)


def test_stub_under_the_external_id_is_adopted(agent: Agent) -> None:
    report(agent, step(run_id="x-1"))
    report(agent, run("r1", external_id="x-1"))
    kept = Run.objects.get()
    assert (kept.event_id, kept.external_id, kept.is_stub) == ("r1", "x-1", False)
    assert words(report(agent, step("s2", "r1"), step("s3", "x-1"), step("s4", str(kept.pk)))) == ["created"] * 3
    assert Step.objects.filter(run=kept).count() == 4


def test_run_is_found_within_its_agent_only(agent: Agent) -> None:
    report(agent, run())
    other = make_agent("other", owner=agent.owner, team=agent.team, by=agent.owner)
    theirs = Run.objects.get()
    report(other, step("s", str(theirs.pk)), step("t", "r1"))
    assert {row.run.agent_id for row in Step.objects.select_related("run")} == {other.pk}


def test_step_that_changes_its_run_is_a_conflict(agent: Agent) -> None:
    report(agent, run("r1"), run("r2"), step("s", "r1"))
    assert words(report(agent, step("s", "r2"))) == ["conflict"]
    assert Step.objects.get().run.event_id == "r1"


def test_key_of_another_environment_touches_nothing(agent: Agent) -> None:
    report(agent, run())
    outcome = report(agent, run(status="failed"), step(), environment=Environment.STAGING)
    assert words(outcome) == ["invalid", "invalid"]
    assert {problem.code for result in outcome.results for problem in result.errors} == {"other_environment"}
    assert (Run.objects.get().status, Step.objects.count()) == ("running", 0)


def test_retry_is_tied_to_its_first_attempt_in_either_order(agent: Agent) -> None:
    report(agent, run("second", retry_of="x-1", parent_run_id="never"))
    report(agent, run("first", external_id="x-1"))
    report(agent, run("third", retry_of="x-1"))
    first, second, third = (Run.objects.get(event_id=name) for name in ("first", "second", "third"))
    assert (second.retry_of, third.retry_of) == (first.pk, first.pk)
    assert (second.parent_run, second.parent_ref) == (None, "never")


def test_future_is_clamped_and_flagged(agent: Agent) -> None:
    report(agent, run(started_at="2026-11-23T10:06:00Z"), step(started_at="2026-11-23T10:04:00Z"))
    kept, done = Run.objects.get(), Step.objects.get()
    assert (kept.started_at, kept.flags) == (NOW, {"clamped": True})
    assert (done.started_at, done.flags) == (NOW + timedelta(minutes=4), {})
    assert words(report(agent, run(started_at="2026-11-23T10:06:00Z"), now=NOW + timedelta(0, 9))) == ["duplicate"]


def test_clamped_run_can_end(agent: Agent) -> None:
    report(agent, run(started_at="2026-11-24T00:00:00Z"))
    ended = run(started_at="2026-11-24T00:00:00Z", ended_at="2026-11-24T00:10:00Z", status="succeeded")
    assert words(report(agent, ended, now=NOW + timedelta(minutes=1))) == ["created"]
    kept = Run.objects.get()
    assert (kept.started_at, kept.ended_at) == (NOW, NOW + timedelta(minutes=1))


def test_month_old_needs_leave_to_backfill(agent: Agent) -> None:
    old = [run("old", started_at="2026-10-01T00:00:00Z"), step(run_id="old", started_at="2026-10-01T00:00:00Z")]
    outcome = report(agent, *old)
    assert words(outcome) == ["invalid", "invalid"]
    assert {(problem.pointer, problem.code) for result in outcome.results for problem in result.errors} == {
        ("/started_at", "too_old")
    }
    assert words(report(agent, *old, may_backfill=True)) == ["created", "created"]
    assert Run.objects.get().flags == {"backfilled": True}


def test_run_that_waited_for_long_can_end(agent: Agent) -> None:
    ended = run(started_at="2026-10-01T00:00:00Z", ended_at="2026-11-23T09:00:00Z", status="succeeded")
    assert words(report(agent, ended)) == ["created"]


def test_payload_is_cut_with_size_and_hash(agent: Agent) -> None:
    report(agent, step(input="ä" * 40_000, output=["x" * 70_000]))
    done = Step.objects.get()
    assert (done.input_size, len(done.payload.input.encode()), done.input_truncated) == (80_000, 65_536, True)
    assert (done.output_size, done.output_truncated, len(done.output_sha256)) == (70_004, True, 64)


def test_secrets_never_reach_the_database(agent: Agent) -> None:
    secret = "hunter2-9f3a61c2"
    report(
        agent,
        run(status="failed", error=error(f"401 for Bearer {secret}"), output_summary=f"password={secret}"),
        step(
            input={"headers": {"Authorization": f"Bearer {secret}"}, "url": f"https://x/?signature={secret}"},
            output=json.dumps({"api_key": secret}),
            error=error(f"token={secret}"),
        ),
    )
    tables = [Run.objects.values(), Step.objects.values(), Payload.objects.values(), Entry.objects.values()]
    assert secret not in repr([list(table) for table in tables])


def test_usage_is_told_once_when_its_step_has_ended(agent: Agent) -> None:
    action = uuid4()
    first = report(agent, run(task="t"), step(kind="llm", status="running", usage=usage(output=3)))
    second = report(agent, step(kind="llm", usage=usage(reasoning=2, response_id="x"), action_id=str(action)))
    third = report(agent, step(kind="llm", usage=usage(reasoning=2, response_id="x"), action_id=str(action)))
    assert (first.usages, third.usages) == ((), ())
    (told,) = second.usages
    assert (told.run_id, told.step_id) == (Run.objects.get().pk, Step.objects.get().pk)
    assert (told.team, told.environment, told.task, told.event_id, told.action_id) == (
        "talent", "production", "t", "s1", action,
    )  # fmt: skip
    assert (told.input_uncached, told.cache_read, told.cache_write, told.output, told.reasoning) == (10, 0, 0, 7, 2)
    assert told.at == NOW - timedelta(minutes=59, seconds=58, milliseconds=980)
    assert Step.objects.get().decision_id == action


def test_bad_items_spoil_no_good_ones(agent: Agent) -> None:
    outcome = report(agent, run(), {"type": "run"}, "nonsense", step(), {"type": "dance"})
    assert words(outcome) == ["created", "invalid", "invalid", "created", "invalid"]
    assert [result.index for result in outcome.results] == [0, 1, 2, 3, 4]
    assert [result.errors[0].pointer for result in outcome.results if result.errors] == ["/event_id", "", "/type"]


def test_batch_of_500_is_taken_and_501_is_too_large(agent: Agent) -> None:
    items = [step(f"s{number}") for number in range(499)]
    outcome = report(agent, run(), *items)
    assert outcome.counts == {"created": 500, "duplicate": 0, "conflict": 0, "invalid": 0}
    with pytest.raises(TooLarge):
        ingest(source=source(agent), items=[run()] * 501, by=INSTALLATION, now=NOW)


def test_batch_leaves_one_entry_with_counts(agent: Agent) -> None:
    before = Entry.objects.count()
    report(agent, run(), step(usage=usage()), step(name="other"), {"type": "run"})
    entry = Entry.objects.order_by("-id")[0]
    assert Entry.objects.count() == before + 1
    assert (entry.kind, entry.object_type, entry.object_id, entry.team, entry.agent, entry.outcome) == (
        "run.ingested", "agent", "job-applier", "talent", "job-applier", "partly",
    )  # fmt: skip
    assert json.loads(entry.details) == {
        "created": 2, "duplicate": 0, "conflict": 1, "invalid": 1, "environment": "production", "runs": 1, "steps": 1,
        "usages": 1,
    }  # fmt: skip


def test_number_of_statements_does_not_grow_with_the_batch(agent: Agent, django_assert_max_num_queries: Any) -> None:
    reporter = source(Agent.objects.select_related("team").get(pk=agent.pk))
    items = [item for number in range(100) for item in (run(f"r{number}"), step(f"s{number}", f"r{number}", input=1))]
    with django_assert_max_num_queries(20):
        ingest(source=reporter, items=items, by=INSTALLATION, now=NOW)
    ended = [run(f"r{number}", status="succeeded") for number in range(100)]
    with django_assert_max_num_queries(20):
        ingest(source=reporter, items=ended, by=INSTALLATION, now=NOW)


def test_open_run_and_add_steps(agent: Agent) -> None:
    body = {name: value for name, value in run().items() if name != "type"}
    opened = open_run(source=source(agent), body=body, by=INSTALLATION, now=NOW)
    kept = Run.objects.get()
    items = [{name: value for name, value in step().items() if name not in {"type", "run_id"}}, {"name": "x"}]
    added = add_steps(source=source(agent), run_id=kept.pk, items=items, by=INSTALLATION, now=NOW)
    assert (words(opened), words(added)) == (["created"], ["created", "invalid"])
    assert Step.objects.get().run == kept
    with pytest.raises(Missing):
        add_steps(source=source(agent), run_id=uuid4(), items=[], by=INSTALLATION, now=NOW)


def test_update_run_moves_and_ends(agent: Agent) -> None:
    report(agent, run())
    kept = Run.objects.get()

    def patch(**changes: Any) -> list[str]:
        return words(update_run(source=source(agent), run_id=kept.pk, changes=changes, by=INSTALLATION, now=NOW))

    assert patch(status="waiting") == patch(status="running") == patch(status="waiting") == ["created"]
    assert patch(status="waiting") == ["duplicate"]
    assert patch(status="succeeded", output_summary="done") == ["created"]
    kept.refresh_from_db()
    assert (kept.status, kept.ended_at, kept.output_summary) == ("succeeded", NOW, "done")
    assert patch(status="failed") == ["conflict"]
    assert patch(colour="red") == ["invalid"]
    assert Entry.objects.filter(kind="run.updated").count() == 5


def test_update_run_of_a_stub_leaves_it_one(agent: Agent) -> None:
    report(agent, step())
    stub = Run.objects.get()
    changes = {"status": "succeeded"}
    update_run(source=source(agent), run_id=stub.pk, changes=changes, by=INSTALLATION, now=NOW)
    assert Run.objects.get().is_stub
    assert words(report(agent, run(status="succeeded"))) == ["created"]
    assert not Run.objects.get().is_stub


def test_update_run_of_another_agent_or_environment_is_missing(agent: Agent) -> None:
    report(agent, run())
    kept = Run.objects.get()
    other = make_agent("other", owner=agent.owner, team=agent.team, by=agent.owner)
    for stranger in (source(other), source(agent, environment=Environment.STAGING)):
        with pytest.raises(Missing):
            update_run(source=stranger, run_id=kept.pk, changes={}, by=INSTALLATION, now=NOW)
