"""The wire form of runs and steps (semantics 4), read strictly (pure).

Field by field as in `runs.events`. What is unknown, missing, of another type or out of range
is refused with a JSON pointer.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from audit.canonical import MAX_INTEGER, check, escape_pointer
from audit.refusals import Invalid, Problem, invalid
from runs.events import Event, RunEvent, StepEvent, Usage
from runs.preparing import MAX_TOKENS

Id = Annotated[str, Meta(min_length=1, max_length=255)]
Word = Annotated[str, Meta(min_length=1, max_length=64)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Task = Annotated[str, Meta(max_length=120)]
Text = Annotated[str, Meta(max_length=100_000)]
Moment = Annotated[datetime, Meta(tz=True)]
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Tokens = Annotated[int, Meta(ge=0, le=MAX_TOKENS)]
Status = Literal["running", "waiting", "succeeded", "failed", "cancelled", "crashed"]
Kind = Literal["llm", "tool", "http", "human", "other"]


class Trigger(Struct, forbid_unknown_fields=True, frozen=True):
    """What set a run off: ``source`` is a word (``webhook``, ``schedule``), ``detail`` free text."""

    source: Word
    detail: Text = ""


class Error(Struct, forbid_unknown_fields=True, frozen=True):
    """What went wrong."""

    type: Annotated[str, Meta(max_length=200)] = ""
    message: Text = ""


class WireUsage(Struct, forbid_unknown_fields=True, frozen=True):
    """`runs.events.Usage` on the wire. Cached tokens and reasoning that are left out are none."""

    provider: Word
    model: Name
    input_uncached: Tokens
    output: Tokens
    cache_read: Tokens = 0
    cache_write: Tokens = 0
    reasoning: Tokens = 0
    response_id: Annotated[str, Meta(max_length=255)] | None = None


class WireRun(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One run: ``POST /api/v1/runs``, and items of type ``run`` in a batch."""

    event_id: Id
    trigger: Trigger
    started_at: Moment
    status: Status
    external_id: Id | None = None
    task: Task | None = None
    ended_at: Moment | None = None
    error: Error | None = None
    output_summary: Text | None = None
    parent_run_id: Id | None = None
    retry_of: Id | None = None


class WirePatch(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What ``PATCH /api/v1/runs/{id}`` may say; everything may be left out."""

    status: Status | None = None
    ended_at: Moment | None = None
    external_id: Id | None = None
    task: Task | None = None
    error: Error | None = None
    output_summary: Text | None = None


class WireStep(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One step of a run that the call names: ``POST /api/v1/runs/{id}/steps``."""

    event_id: Id
    name: Name
    kind: Kind
    started_at: Moment
    duration_ms: Count | None
    status: Status
    error: Error | None = None
    input: Any = None
    output: Any = None
    usage: WireUsage | None = None
    action_id: UUID | None = None


class WireBatchStep(WireStep, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One step that names its run itself: items of type ``step`` in a batch."""

    run_id: Id


Form = TypeVar("Form", bound=Struct)

_PATH = re.compile(r"(.*?)(?: - at `\$([^`]*)`)?", re.DOTALL)
_TOKEN = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_FIELD = re.compile(r"(unknown|missing required) field `(.*)`", re.DOTALL)
_CODES = (
    ("timezone component", "naive_time"),
    ("Invalid enum value", "unknown_value"),
    ("Invalid RFC3339", "malformed"),
    ("Invalid UUID", "malformed"),
    ("of length", "out_of_range"),
    ("` >= ", "out_of_range"),
    ("` <= ", "out_of_range"),
)


def _problem(error: msgspec.ValidationError) -> Problem:
    """Translate msgspec's sentence, which is its only interface, into a problem."""
    match = _PATH.fullmatch(str(error))
    detail, path = (match[1], match[2] or "") if match else (str(error), "")
    pointer = "".join(f"/{escape_pointer(name or index)}" for name, index in _TOKEN.findall(path))
    field = _FIELD.search(detail)
    if field:
        code = "unknown_field" if field[1] == "unknown" else "missing_field"
        return Problem(f"{pointer}/{escape_pointer(field[2])}", code, f"{detail}.")
    code = next((code for sign, code in _CODES if sign in detail), "wrong_type")
    return Problem(pointer, code, f"{detail}.")


def _convert(value: object, form: type[Form]) -> Form:
    check(value)
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        problem = _problem(error)
        raise Invalid(problem.detail, errors=[problem]) from error


def _utc(moment: datetime, pointer: str) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise invalid(pointer, "out_of_range", "The time lies outside the calendar.") from error


def _ended(started_at: datetime | None, ended_at: datetime | None) -> datetime | None:
    if ended_at is None:
        return None
    ended_at = _utc(ended_at, "/ended_at")
    if started_at is not None and ended_at < started_at:
        raise invalid("/ended_at", "ended_before_started", "A run cannot end before it starts.")
    return ended_at


def _usage(usage: WireUsage | None) -> Usage | None:
    if usage is None:
        return None
    if usage.reasoning > usage.output:
        raise invalid("/usage/reasoning", "out_of_range", "Reasoning is a part of the output tokens.")
    return Usage(
        provider=usage.provider,
        model=usage.model,
        input_uncached=usage.input_uncached,
        output=usage.output,
        cache_read=usage.cache_read,
        cache_write=usage.cache_write,
        reasoning=usage.reasoning,
        response_id=usage.response_id or "",
    )


def read_run(body: object) -> RunEvent:
    """Read a run.

    Raises:
        Invalid: with a pointer into `body`.
    """
    wire = _convert(body, WireRun)
    started_at = _utc(wire.started_at, "/started_at")
    error = wire.error or Error()
    return RunEvent(
        event_id=wire.event_id,
        status=wire.status,
        started_at=started_at,
        ended_at=_ended(started_at, wire.ended_at),
        external_id=wire.external_id or "",
        trigger_source=wire.trigger.source,
        trigger_detail=wire.trigger.detail,
        task=wire.task or "",
        error_type=error.type,
        error_message=error.message,
        output_summary=wire.output_summary or "",
        parent_ref=wire.parent_run_id or "",
        retry_ref=wire.retry_of or "",
    )


def read_patch(body: object, *, event_id: str) -> RunEvent:
    """Read a change of a run that is known.

    Args:
        body: the change.
        event_id: of the run.

    Raises:
        Invalid: with a pointer into `body`.
    """
    wire = _convert(body, WirePatch)
    error = wire.error or Error()
    return RunEvent(
        event_id=event_id,
        status=wire.status or "",
        ended_at=_ended(None, wire.ended_at),
        external_id=wire.external_id or "",
        task=wire.task or "",
        error_type=error.type,
        error_message=error.message,
        output_summary=wire.output_summary or "",
    )


def read_step(body: object, *, run_ref: str | None = None) -> StepEvent:
    """Read a step.

    Args:
        body: the step.
        run_ref: a name of its run; left out, the body carries it as ``run_id``.

    Raises:
        Invalid: with a pointer into `body`.
    """
    wire = _convert(body, WireBatchStep if run_ref is None else WireStep)
    error = wire.error or Error()
    return StepEvent(
        event_id=wire.event_id,
        run_ref=wire.run_id if isinstance(wire, WireBatchStep) else run_ref or "",
        name=wire.name,
        kind=wire.kind,
        status=wire.status,
        started_at=_utc(wire.started_at, "/started_at"),
        duration_ms=wire.duration_ms,
        error_type=error.type,
        error_message=error.message,
        input=wire.input,
        output=wire.output,
        usage=_usage(wire.usage),
        action_id=wire.action_id,
    )


def read_item(item: object) -> Event:
    """Read one item of a batch: ``{"type": "run" | "step", …}``.

    Raises:
        Invalid: with a pointer into the item.
    """
    if not isinstance(item, dict):
        raise invalid("", "wrong_type", "An item is an object.")
    kind = item.get("type")
    body = {name: value for name, value in item.items() if name != "type"}
    if kind == "run":
        return read_run(body)
    if kind == "step":
        return read_step(body)
    code = "missing_field" if kind is None else "unknown_value"
    raise invalid("/type", code, "An item's type is run or step.")
