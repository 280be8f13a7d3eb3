"""Executions as n8n 2.40 gave them out become runs, steps and usage."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands
from hypothesis import given
from hypothesis import strategies as st

from audit.models import Entry
from audit.refusals import Forbidden, Missing, Problem
from registry.models import Agent
from registry.states import Role
from runs.management.commands.import_n8n import Command
from runs.models import Failure, Payload, Run, Step
from runs.n8n import Execution, executions_in, translate
from runs.operations import IngestOutcome, import_n8n
from tests.runs.reports import SAMPLES, executions, source, words
from tests.world import NOW, make_person

# The samples were captured the same morning.
WAITING, HELD = "executions-waiting", "execution-hold"


def read(name: str) -> Execution:
    found = translate(executions(name)[0], received_at=NOW)
    assert isinstance(found, Execution)
    return found


def bring(agent: Agent, *names: str) -> IngestOutcome:
    found = [execution for name in names for execution in executions(name)]
    return import_n8n(executions=found, source=source(agent, may_backfill=True), by=agent.owner, now=NOW)


def lines(execution: Execution) -> list[tuple[str, str, str, int | None]]:
    return [(step.name, step.kind, step.status, step.duration_ms) for step in execution.steps]


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-23T{text}").replace(tzinfo=UTC)


def test_webhook_run_with_a_model_call() -> None:
    found = read("execution-llm")
    run = found.run
    assert (run.event_id, run.external_id, run.status) == ("1IiaGSFisQL31C0b/62", "62", "succeeded")
    assert (run.started_at, run.ended_at) == (at("06:29:53.451"), at("06:29:53.516"))
    assert (run.trigger_source, run.trigger_detail) == ("webhook", "Webhook (webhook)")
    assert (run.external_version, run.retry_ref, run.parent_ref) == ("49a47f96-c553-4f8a-ae1a-3dd013020459", "", "")
    assert lines(found) == [
        ("Webhook", "other", "succeeded", 1),
        ("Chain", "other", "succeeded", 44),
        ("OpenAI Chat Model", "llm", "succeeded", 20),
    ]
    webhook, chain, model = found.steps
    assert (webhook.usage, chain.usage) == (None, None)
    assert model.usage is not None
    assert (model.usage.provider, model.usage.model) == ("openai", "gpt-stub")
    assert (model.usage.input_uncached, model.usage.output) == (10, 7)
    assert (model.usage.cache_read, model.usage.cache_write) == (0, 0)
    assert chain.output == [{"text": "Hello from the stub upstream."}]
    assert model.event_id == "1IiaGSFisQL31C0b/62/OpenAI Chat Model/0"


def test_failed_run_tells_its_error() -> None:
    found = read("execution-fail")
    assert (found.run.status, found.run.error_type) == ("failed", "NodeApiError")
    assert found.run.error_message == "The service was not able to process your request: stub says no"
    assert lines(found) == [("Webhook", "other", "succeeded", 1), ("Boom", "http", "failed", 15)]
    assert found.steps[1].error_message == found.run.error_message


def test_failed_model_call_used_nothing() -> None:
    found = read("execution-llmfail")
    assert [(step.name, step.kind, step.status, step.error_type, step.usage) for step in found.steps] == [
        ("Webhook", "other", "succeeded", "", None),
        ("Chain", "other", "failed", "NodeOperationError", None),
        ("OpenAI Chat Model", "llm", "failed", "NodeApiError", None),
    ]


def test_resumed_run_keeps_its_order() -> None:
    found = read(HELD)
    assert [(step.name, step.kind, step.position) for step in found.steps] == [
        ("Webhook", "other", 0), ("Ask approval", "http", 1), ("Wait", "human", 0), ("Do action", "http", 1),
    ]  # fmt: skip
    assert found.run.status == "succeeded"


def test_waiting_and_running_runs_are_open() -> None:
    waiting, running = read(WAITING), read("executions-running")
    assert (waiting.run.status, waiting.run.ended_at, waiting.steps[2].status) == ("waiting", None, "waiting")
    assert (running.run.status, running.run.ended_at, running.steps) == ("running", None, ())


def test_scheduled_run_names_its_schedule() -> None:
    run = read("execution-sched").run
    assert (run.trigger_source, run.trigger_detail) == ("schedule", "Schedule Trigger (scheduleTrigger)")


def test_error_workflow_names_the_run_that_failed() -> None:
    run = read("execution-error").run
    assert (run.status, run.trigger_source, run.parent_ref) == ("succeeded", "error", "aWOeiuWI5AW29UFC/67")
    assert run.trigger_detail == "execution aWOeiuWI5AW29UFC/67 failed"


def test_retry_holds_its_own_steps_alone() -> None:
    found = read("execution-retry")
    assert (found.run.retry_ref, found.run.trigger_source) == ("aWOeiuWI5AW29UFC/67", "retry")
    assert lines(found) == [("Boom", "http", "failed", 19)]
    assert found.run.ended_at == at("06:30:04.898")


def test_retry_does_not_count_the_first_attempts_tokens() -> None:
    execution = copy.deepcopy(executions("execution-llm")[0])
    execution |= {"retryOf": "61", "startedAt": "2026-11-23T07:00:00.000Z"}
    found = translate(execution, received_at=NOW)
    assert isinstance(found, Execution)
    assert found.steps == ()


def test_execution_without_data_is_partial() -> None:
    listed = {"id": "67", "workflowId": "w", "status": "error", "mode": "webhook", "startedAt": "2026-11-23T06:29:53Z"}
    found = translate(listed, received_at=NOW)
    assert isinstance(found, Execution)
    assert (found.run.status, found.run.partial, found.steps) == ("failed", True, ())


def test_estimate_is_no_usage() -> None:
    execution = copy.deepcopy(executions("execution-llm")[0])
    answer = execution["data"]["resultData"]["runData"]["OpenAI Chat Model"][0]["data"]["ai_languageModel"][0][0][
        "json"
    ]
    answer["tokenUsageEstimate"] = answer.pop("tokenUsage")
    found = translate(execution, received_at=NOW)
    assert isinstance(found, Execution)
    assert [step.usage for step in found.steps] == [None, None, None]


def test_documents_of_each_form_are_opened() -> None:
    one = {"id": "1", "data": {"resultData": {}}}
    assert executions_in(one) == executions_in([one]) == executions_in({"data": [one], "nextCursor": None}) == [one]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)
PLACES = (
    ("status",), ("startedAt",), ("data",), ("workflowData",), ("retryOf",), ("workflowData", "nodes"),
    ("data", "resultData"), ("data", "resultData", "runData"), ("data", "resultData", "error"),
    ("data", "resultData", "runData", "Chain"), ("data", "resultData", "runData", "Chain", 0),
    ("data", "resultData", "runData", "OpenAI Chat Model", 0, "data"),
    ("data", "resultData", "runData", "OpenAI Chat Model", 0, "inputOverride"),
    ("data", "resultData", "runData", "OpenAI Chat Model", 0, "startTime"),
    ("data", "resultData", "runData", "OpenAI Chat Model", 0, "executionTime"),
    ("data", "executionData", "runtimeData"),
)  # fmt: skip


@given(st.sampled_from(PLACES), json_values)
def test_mangled_execution_is_read_or_refused(place: tuple[Any, ...], value: Any) -> None:
    execution = copy.deepcopy(executions("execution-llm")[0])
    target = execution
    for name in place[:-1]:
        target = target[name]
    target[place[-1]] = value
    assert isinstance(translate(execution, received_at=NOW), Execution | Problem)


def test_a_duration_past_every_calendar_ends_no_import() -> None:
    entry = {"startTime": 1_767_225_600_000, "executionTime": 2**53 - 1, "executionStatus": "success"}
    found = translate(
        {"id": "1", "workflowId": "w", "status": "success", "data": {"resultData": {"runData": {"N": [entry]}}}},
        received_at=NOW,
    )
    assert isinstance(found, Execution)
    assert found.steps[0].duration_ms == 2**53 - 1
    assert found.run.ended_at == max(found.run.started_at, found.steps[0].started_at)


def test_import_keeps_runs_steps_and_usage(agent: Agent) -> None:
    outcome = bring(agent, "execution-llm", "execution-fail")
    assert words(outcome) == ["created"] * 7
    assert [result.index for result in outcome.results] == [0, 0, 0, 0, 1, 1, 1]
    assert [(run.external_id, run.source) for run in Run.objects.all()] == [("67", "n8n"), ("62", "n8n")]
    (usage,) = outcome.usages
    assert (usage.model, usage.input_uncached, usage.output, usage.task) == ("gpt-stub", 10, 7, "kit: llm chain")
    assert usage.event_id == "1IiaGSFisQL31C0b/62/OpenAI Chat Model/0"
    assert usage.at == at("06:29:53.515")
    assert Entry.objects.get(kind="run.imported").actor_id == agent.owner.username


def test_import_twice_changes_nothing(agent: Agent) -> None:
    names = [path.stem for path in SAMPLES.glob("execution*.json") if path.stem != WAITING]
    first = bring(agent, *names)
    again = bring(agent, *names)
    assert set(words(first)) == {"created"}
    assert set(words(again)) == {"duplicate"}
    assert again.usages == ()
    assert Entry.objects.filter(kind="run.imported").count() == 1


def test_import_goes_on_where_a_waiting_run_was(agent: Agent) -> None:
    bring(agent, WAITING)
    waiting = Run.objects.get()
    outcome = bring(agent, HELD)
    kept = Run.objects.get()
    assert (waiting.status, kept.status, kept.pk) == ("waiting", "succeeded", waiting.pk)
    # Webhook and Ask approval were known, the run and Wait went on, Do action is new.
    assert words(outcome) == ["created", "duplicate", "duplicate", "created", "created"]
    assert [step.name for step in Step.objects.in_order()] == ["Webhook", "Ask approval", "Wait", "Do action"]
    assert set(words(bring(agent, WAITING))) == {"duplicate"}


def test_import_without_data_first_fills_in_later(agent: Agent) -> None:
    full = executions("execution-fail")[0]
    listed = {name: full[name] for name in ("id", "status", "mode", "startedAt", "stoppedAt", "workflowId", "retryOf")}
    import_n8n(executions=[listed], source=source(agent), by=agent.owner, now=NOW)
    assert (Run.objects.get().status, Failure.objects.count()) == ("failed", 0)
    outcome = bring(agent, "execution-fail")
    assert words(outcome) == ["created"] * 3
    failure = Failure.objects.get()
    assert (failure.step_name, failure.count, Run.objects.get().failure) == ("Boom", 1, failure)


def test_import_ties_retries_and_groups_their_failures(agent: Agent) -> None:
    bring(agent, "execution-retry")
    bring(agent, "execution-fail")
    first, retry = Run.objects.get(external_id="67"), Run.objects.get(external_id="73")
    assert retry.retry_of == first.pk
    failure = Failure.objects.get()
    assert (failure.count, failure.error_type, failure.step_name) == (2, "NodeApiError", "Boom")
    assert {run.failure_id for run in (first, retry)} == {failure.pk}
    assert failure.first_seen == at("06:29:54.210")


def test_import_finds_the_run_that_an_action_named_before(agent: Agent) -> None:
    stub = Run.objects.create(
        agent=agent, team="talent", environment="production", event_id="62", started_at=NOW, received_at=NOW,
        last_event_at=NOW, flags={"stub": True},
    )  # fmt: skip
    bring(agent, "execution-llm")
    kept = Run.objects.get()
    assert (kept.pk, kept.event_id, kept.is_stub, kept.source) == (stub.pk, "1IiaGSFisQL31C0b/62", False, "n8n")


def test_import_lets_no_secret_in(agent: Agent) -> None:
    execution = copy.deepcopy(executions(HELD)[0])
    webhook = execution["data"]["resultData"]["runData"]["Webhook"][0]["data"]["main"][0][0]["json"]
    webhook["headers"] |= {"authorization": "Bearer hunter2-abcdef", "x-api-key": "hunter2-abcdef"}
    token = execution["data"]["resumeToken"]
    import_n8n(executions=[execution], source=source(agent), by=agent.owner, now=NOW)
    stored = repr([list(model.objects.values()) for model in (Run, Step, Payload, Entry)])
    assert "C-7" in stored
    assert token not in stored
    assert "hunter2" not in stored


def test_import_reports_what_is_no_execution(agent: Agent) -> None:
    outcome = import_n8n(executions=["x", {"id": "1"}], source=source(agent), by=agent.owner, now=NOW)
    assert words(outcome) == ["invalid", "invalid"]
    assert [result.errors[0].pointer for result in outcome.results] == ["", "/workflowId"]


def test_import_is_for_operators(agent: Agent) -> None:
    stranger = make_person("stranger", Role.OPERATOR)
    auditor = make_person("auditor", Role.AUDITOR)
    with pytest.raises(Missing):
        import_n8n(executions=[], source=source(agent), by=stranger, now=NOW)
    with pytest.raises(Forbidden):
        import_n8n(executions=[], source=source(agent), by=auditor, now=NOW)


def test_command_imports_files_and_prints_counts(agent: Agent, tmp_path: Path) -> None:
    out, err = StringIO(), StringIO()
    broken = tmp_path / "broken.json"
    broken.write_text("[{}]")
    files = [str(SAMPLES / "execution-llm.json"), str(broken)]
    with pytest.raises(CommandError, match="1 of the items were not taken; all others are in"):
        call_command(Command(), agent.slug, *files, "--by", agent.owner.username, stdout=out, stderr=err)
    told = out.getvalue().splitlines()
    assert told[0].endswith("execution-llm.json: 1 executions: 4 created, 0 duplicate, 0 conflict, 0 invalid, 1 usages")
    assert told[1].endswith("broken.json: 1 executions: 0 created, 0 duplicate, 0 conflict, 1 invalid, 0 usages")
    assert "execution 0/id: There is no id; is this an execution of n8n?" in err.getvalue()
    assert Run.objects.get().started_at == NOW - timedelta(hours=3, minutes=30, seconds=6, milliseconds=549)


def test_command_names_the_execution_that_says_otherwise_than_before(agent: Agent, tmp_path: Path) -> None:
    execution, err, file = executions("execution-llm")[0], StringIO(), tmp_path / "again.json"
    import_n8n(executions=[execution], source=source(agent, may_backfill=True), by=agent.owner, now=NOW)
    file.write_text(json.dumps({**execution, "status": "error"}))
    with pytest.raises(CommandError, match="were not taken"):
        call_command(Command(), agent.slug, str(file), "--by", agent.owner.username, stderr=err, stdout=StringIO())
    assert "execution 0: another one of this id is there already" in err.getvalue()


def test_command_that_people_call_is_the_one_that_prices() -> None:
    assert get_commands()["import_n8n"] == "controlplane"


@pytest.mark.parametrize(
    ("slug", "name", "content"),
    [("nobody", "x.json", "[]"), ("job-applier", "gone.json", None), ("job-applier", "x", "{")],
)
def test_command_says_what_it_cannot_do(
    agent: Agent, tmp_path: Path, slug: str, name: str, content: str | None
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_text(content)
    with pytest.raises(CommandError):
        call_command(Command(), slug, str(file), "--by", agent.owner.username)


def test_command_says_who_sees_no_such_agent(agent: Agent, tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text("[{}]")
    stranger = make_person("stranger", Role.REVIEWER)
    with pytest.raises(CommandError, match="stranger sees no agent job-applier"):
        call_command(Command(), agent.slug, str(file), "--by", stranger.username)
