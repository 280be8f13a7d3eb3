"""Reads an n8n execution (public REST, ``GET /executions?includeData=true``, n8n 2.x) as a run (pure).

Names: a run's event id is ``<workflow id>/<execution id>``, which is also what a workflow can
put into a header (``{{ $workflow.id }}/{{ $execution.id }}``); its external id is the execution
id alone. A step's event id adds ``/<node>/<n>`` for the n-th run of that node.

Only an execution's own steps are read: a retry repeats in its data what the first attempt did.
Secrets are taken out later, as from every report (`runs.redaction`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from audit.canonical import MAX_INTEGER
from audit.refusals import Problem
from runs.events import RunEvent, StepEvent
from runs.n8n_nodes import Node, error_of, items_of, kind_of, nodes_of, usage_of
from runs.redaction import redact_text, storable
from runs.states import RunStatus

_STATUS = {
    "new": RunStatus.RUNNING,
    "running": RunStatus.RUNNING,
    "waiting": RunStatus.WAITING,
    "success": RunStatus.SUCCEEDED,
    "error": RunStatus.FAILED,
    "canceled": RunStatus.CANCELLED,
    "crashed": RunStatus.CRASHED,
}
_OPEN = {RunStatus.RUNNING, RunStatus.WAITING}
_LONGEST_ID = 255
_SCHEDULES = ("scheduleTrigger", "cron", "interval")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution as a run and its steps, in the order in which they ran."""

    run: RunEvent
    steps: tuple[StepEvent, ...]


def translate(execution: object, *, received_at: datetime) -> Execution | Problem:
    """Read one execution.

    Args:
        execution: its JSON, with or without ``data``. Without it, a failed run is partial: what
            went wrong is not known yet.
        received_at: stands in for the start of an execution that is still queued; aware UTC.

    Returns:
        The run with its steps, or what makes it unreadable.
    """
    if not isinstance(execution, dict):
        return Problem("", "wrong_type", "An execution is an object.")
    identity = _id(execution.get("id"))
    workflow = _id(execution.get("workflowId"))
    if not identity or not workflow:
        missing = "id" if not identity else "workflowId"
        return Problem(f"/{missing}", "missing_field", f"There is no {missing}; is this an execution of n8n?")
    started_at = _moment(execution.get("startedAt")) or _moment(execution.get("createdAt")) or received_at
    data = _object(execution.get("data"))
    result = _object(data.get("resultData"))
    nodes = nodes_of(execution.get("workflowData"))
    name = _named(f"{workflow}/{identity}")
    retried = _id(execution.get("retryOf"))
    since = started_at if retried else None
    steps = _steps(name, _object(result.get("runData")), nodes, since=since)
    status = _status(execution)
    ended_at = _moment(execution.get("stoppedAt"))
    if ended_at is None and status not in _OPEN and steps:
        ended_at = max(_end_of(step) for step in steps)
    error_type, error_message = error_of(result.get("error"))
    source, detail = _trigger(execution, data)
    run = RunEvent(
        event_id=name,
        external_id=identity,
        status=status,
        started_at=started_at,
        ended_at=max(ended_at, started_at) if ended_at and status not in _OPEN else None,
        trigger_source=source,
        trigger_detail=detail,
        task=_text(_object(execution.get("workflowData")).get("name")),
        error_type=error_type,
        error_message=error_message,
        parent_ref=_parent(data),
        retry_ref=_named(f"{workflow}/{retried}") if retried else "",
        external_version=_id(execution.get("workflowVersionId"))[:128],
        partial="data" not in execution,
    )
    return Execution(run, steps)


def executions_in(document: object) -> list[object]:
    """Return the executions of a document: a page ``{"data": […]}``, a list, or a single one."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and isinstance(document.get("data"), list):
        return list(document["data"])
    return [document]


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _id(value: object) -> str:
    """Return an id as text that can be stored: n8n writes them as strings, older ones as numbers."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return _named(str(value))


def _named(name: str) -> str:
    """Return an event id that fits and holds no secret: of another one the end is a hash, so that it stays unique."""
    name = storable(name)
    shown = redact_text(name)
    if shown == name and len(name) <= _LONGEST_ID:
        return name
    return shown[: _LONGEST_ID - 65] + "~" + hashlib.sha256(name.encode()).hexdigest()


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _from_milliseconds(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return _EPOCH + timedelta(milliseconds=value)
    except (ValueError, OverflowError):
        return None


def _milliseconds(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_INTEGER else None


def _end_of(step: StepEvent) -> datetime:
    try:
        return step.started_at + timedelta(milliseconds=step.duration_ms or 0)
    except OverflowError:
        # No calendar has that day: what is told of the duration is no help.
        return step.started_at


def _status(execution: Mapping[str, Any]) -> RunStatus:
    status = _STATUS.get(_text(execution.get("status")))
    if status is not None:
        return status
    # "unknown", and executions older than the field.
    if execution.get("finished") is True:
        return RunStatus.SUCCEEDED
    if execution.get("stoppedAt") is None:
        return RunStatus.WAITING if execution.get("waitTill") else RunStatus.RUNNING
    return RunStatus.CRASHED


def _trigger(execution: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[str, str]:
    mode = _text(execution.get("mode")) or "unknown"
    runtime = _object(_object(data.get("executionData")).get("runtimeData"))
    node = _object(runtime.get("triggerNode"))
    kind = _text(node.get("type")).rpartition(".")[2]
    if mode == "error":
        # The trigger node told here is that of the execution that failed.
        failed = _parent(data)
        return mode, f"execution {failed} failed" if failed else ""
    source = "schedule" if mode == "trigger" and kind in _SCHEDULES else mode
    name = _text(node.get("name"))
    return source, f"{name} ({kind})" if name and kind else name


def _parent(data: Mapping[str, Any]) -> str:
    parent = _object(data.get("parentExecution"))
    identity, workflow = _id(parent.get("executionId")), _id(parent.get("workflowId"))
    if identity and workflow:
        return _named(f"{workflow}/{identity}")
    runtime = _object(_object(data.get("executionData")).get("runtimeData"))
    return identity or _id(runtime.get("parentExecutionId"))


def _steps(
    run: str, run_data: Mapping[str, Any], nodes: Mapping[str, Node], *, since: datetime | None
) -> tuple[StepEvent, ...]:
    steps: list[StepEvent] = []
    for name, entries in run_data.items():
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            step = _step(run, name, index, _object(entry), nodes.get(name, Node()))
            if step is not None and (since is None or step.started_at >= since):
                steps.append(step)
    # n8n's index starts anew when an execution resumes; the start times go on.
    return tuple(sorted(steps, key=lambda step: (step.started_at, step.position)))


def _step(run: str, name: str, index: int, entry: Mapping[str, Any], node: Node) -> StepEvent | None:
    started_at = _from_milliseconds(entry.get("startTime"))
    if started_at is None:
        return None
    error_type, error_message = error_of(entry.get("error"))
    stated = _STATUS.get(_text(entry.get("executionStatus")))
    status = stated or (RunStatus.FAILED if entry.get("error") else RunStatus.SUCCEEDED)
    return StepEvent(
        event_id=_named(f"{run}/{name}/{index}"),
        run_ref=run,
        name=name,
        kind=kind_of(entry, node),
        status=status,
        started_at=started_at,
        duration_ms=_milliseconds(entry.get("executionTime")),
        error_type=error_type,
        error_message=error_message,
        input=items_of(entry.get("inputOverride")),
        output=items_of(entry.get("data")),
        usage=usage_of(entry, node),
        position=_milliseconds(entry.get("executionIndex")) or 0,
    )
