"""The wire form is read strictly, and every defect has its pointer."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.refusals import Invalid
from runs.events import RunEvent, StepEvent, Usage
from runs.preparing import MAX_TOKENS
from runs.wire import read_item, read_patch, read_step
from tests.runs.reports import error, run, step, usage


def test_run_is_read() -> None:
    told = run(started_at="2026-11-23T10:00:00+02:00", ended_at="2026-11-23T08:00:01Z", error=error(), task=None)
    assert read_item(told) == RunEvent(
        event_id="r1",
        status="running",
        started_at=datetime(2026, 11, 23, 8, tzinfo=UTC),
        ended_at=datetime(2026, 11, 23, 8, 0, 1, tzinfo=UTC),
        trigger_source="schedule",
        trigger_detail="0 9 * * *",
        error_type="Timeout",
        error_message="boom",
    )


def test_step_is_read() -> None:
    action = "018f2a3b-4c5d-7e6f-8a9b-0c1d2e3f4a5b"
    told = read_item(step(kind="llm", input={"q": [1]}, usage=usage(cache_read=3), action_id=action))
    assert isinstance(told, StepEvent)
    assert (told.run_ref, told.input, told.output, told.action_id) == ("r1", {"q": [1]}, None, UUID(action))
    assert told.usage == Usage(provider="openai", model="gpt-4o", input_uncached=10, cache_read=3, output=7)


@pytest.mark.parametrize(
    ("item", "pointer", "code"),
    [
        ([], "", "wrong_type"),
        ({"event_id": "x"}, "/type", "missing_field"),
        ({"type": "dance"}, "/type", "unknown_value"),
        (run(colour="red"), "/colour", "unknown_field"),
        (run(trigger={"source": "x", "a/b": 1}), "/trigger/a~1b", "unknown_field"),
        (run(trigger={}), "/trigger/source", "missing_field"),
        (run(event_id=""), "/event_id", "out_of_range"),
        (run(event_id="x" * 256), "/event_id", "out_of_range"),
        (run(event_id=7), "/event_id", "wrong_type"),
        (run(status="done"), "/status", "unknown_value"),
        (run(started_at="2026-11-23T10:00:00"), "/started_at", "naive_time"),
        (run(started_at="yesterday"), "/started_at", "malformed"),
        (run(started_at=1795415394), "/started_at", "wrong_type"),
        (run(started_at="0001-01-01T00:00:00+14:00"), "/started_at", "out_of_range"),
        (run(ended_at="2026-11-23T08:00:00Z"), "/ended_at", "ended_before_started"),
        (run(task="a\x00b"), "/task", "unstorable_text"),
        (run(output_summary="\ud800"), "/output_summary", "unstorable_text"),
        (step(kind="magic"), "/kind", "unknown_value"),
        (step(duration_ms=-1), "/duration_ms", "out_of_range"),
        (step(duration_ms=1.5), "/duration_ms", "wrong_type"),
        (step(duration_ms=2**53), "/duration_ms", "out_of_range"),
        (step(usage=usage(output=-1)), "/usage/output", "out_of_range"),
        (step(usage=usage(output=MAX_TOKENS + 1)), "/usage/output", "out_of_range"),
        (step(usage=usage(output=True)), "/usage/output", "wrong_type"),
        (step(usage=usage(reasoning=8)), "/usage/reasoning", "out_of_range"),
        (step(usage={"provider": "x"}), "/usage/model", "missing_field"),
        (step(action_id="nope"), "/action_id", "malformed"),
        (step(run_id=None), "/run_id", "wrong_type"),
    ],
)  # fmt: skip
def test_defect_is_told_with_its_pointer(item: object, pointer: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_item(item)
    assert [(problem.pointer, problem.code) for problem in refused.value.errors] == [(pointer, code)]


def test_too_deep_is_refused() -> None:
    value: Any = 1
    for _ in range(40):
        value = [value]
    with pytest.raises(Invalid) as refused:
        read_item(step(input=value))
    assert refused.value.errors[0].code == "too_deep"


def test_steps_of_a_named_run_do_not_name_it_again() -> None:
    body = {name: value for name, value in step().items() if name != "type"}
    with pytest.raises(Invalid):
        read_step(body, run_ref="r1")


def test_patch_may_leave_out_everything() -> None:
    assert read_patch({}, event_id="r1") == RunEvent(event_id="r1")
    with pytest.raises(Invalid):
        read_patch({"started_at": "2026-11-23T10:00:00Z"}, event_id="r1")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from(sorted(run())), st.sampled_from(sorted(step())))
def test_anything_is_read_or_refused(value: Any, of_run: str, of_step: str) -> None:
    for item in (value, run(**{of_run: value}), step(**{of_step: value}), step(usage=value)):
        with contextlib.suppress(Invalid):
            read_item(item)
