"""Executions in the format of n8n 2.40's public API, as reports of a run and its steps (pure).

A step per run of a node, in the order of `startTime` and then `executionIndex` (which restarts
after a resume). Tokens are counted at the model nodes alone: what an agent node says of itself
covers only its last call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from audit.refusals import invalid
from runs.events import Event, RunEvent, StepEvent, Usage

_STATUS = {
    "success": "succeeded",
    "error": "failed",
    "crashed": "crashed",
    "canceled": "cancelled",
    "running": "running",
    "new": "running",
    "waiting": "waiting",
    "unknown": "running",
}
_KINDS = (
    ("lm", "llm"),
    ("tool", "tool"),
    ("httpRequest", "http"),
    ("webhook", "other"),
    ("wait", "human"),
)
_MODEL_OUTPUT = "ai_languageModel"


def read_execution(execution: object) -> list[Event]:
    """Read one execution.

    Args:
        execution: as ``GET /api/v1/executions/{id}?includeData=true`` returns it.

    Returns:
        The run first, then its steps.

    Raises:
        Invalid: it is not an execution.
    """
    if not isinstance(execution, Mapping) or not isinstance(execution.get("id"), str | int):
        raise invalid("", "not_an_execution", "This is not an execution of n8n.")
    data = _mapping(execution.get("data"))
    result = _mapping(data.get("resultData"))
    kinds = {
        node["name"]: _kind(str(node.get("type", "")))
        for node in _mapping(execution.get("workflowData")).get("nodes", [])
        if isinstance(node, Mapping) and isinstance(node.get("name"), str)
    }
    name = f"n8n:{execution['id']}"
    return [_run(name, execution, data, result), *_steps(name, _mapping(result.get("runData")), kinds)]


def _run(name: str, execution: Mapping[str, Any], data: Mapping[str, Any], result: Mapping[str, Any]) -> RunEvent:
    runtime = _mapping(_mapping(data.get("executionData")).get("runtimeData"))
    trigger = _mapping(runtime.get("triggerNode"))
    error = _mapping(result.get("error"))
    status = _STATUS.get(str(execution.get("status")), "running")
    parent = runtime.get("parentExecutionId")
    retried = execution.get("retryOf")
    return RunEvent(
        event_id=name,
        external_id=str(execution["id"]),
        status=status,
        started_at=_moment(execution.get("startedAt")),
        ended_at=_moment(execution.get("stoppedAt")) if status not in {"running", "waiting"} else None,
        trigger_source=str(runtime.get("source") or execution.get("mode") or "n8n")[:64],
        trigger_detail=str(trigger.get("name") or ""),
        task=str(_mapping(execution.get("workflowData")).get("name") or execution.get("workflowId") or "")[:120],
        error_type=str(error.get("name") or "")[:200],
        error_message=_message(error),
        output_summary=f"last node: {result['lastNodeExecuted']}" if result.get("lastNodeExecuted") else "",
        parent_ref=f"n8n:{parent}" if parent else "",
        retry_ref=f"n8n:{retried}" if retried else "",
        external_version=str(execution.get("workflowVersionId") or ""),
    )


def _steps(name: str, run_data: Mapping[str, Any], kinds: Mapping[str, str]) -> Iterator[StepEvent]:
    for node, passes in run_data.items():
        for number, one in enumerate(passes if isinstance(passes, list) else []):
            if not isinstance(one, Mapping) or not isinstance(one.get("startTime"), int | float):
                continue
            error = _mapping(one.get("error"))
            usage = _usage(one)
            yield StepEvent(
                event_id=f"{name}/{node}/{number}"[:255],
                run_ref=name,
                name=node[:200],
                kind="llm" if usage or _MODEL_OUTPUT in _mapping(one.get("data")) else kinds.get(node, "other"),
                status=_STATUS.get(str(one.get("executionStatus")), "succeeded"),
                started_at=datetime.fromtimestamp(one["startTime"] / 1000, UTC),
                duration_ms=int(one.get("executionTime") or 0),
                error_type=str(error.get("name") or "")[:200],
                error_message=_message(error),
                input=one.get("inputOverride"),
                output=one.get("data") or None,
                usage=usage,
                position=int(one.get("executionIndex") or 0),
            )


def _usage(one: Mapping[str, Any]) -> Usage | None:
    """Read the tokens of a model node's pass; n8n says nothing of caches."""
    said = _first(_mapping(one.get("data")).get(_MODEL_OUTPUT))
    tokens = _mapping(said.get("tokenUsage"))
    asked = _mapping(_first(_mapping(one.get("inputOverride")).get(_MODEL_OUTPUT)).get("options"))
    prompt, completion = tokens.get("promptTokens"), tokens.get("completionTokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    model = str(asked.get("model") or asked.get("modelName") or asked.get("model_name") or "unknown")[:200]
    provider = "openai" if "openai_api_key" in asked else "anthropic" if "anthropicApiKey" in asked else "unknown"
    return Usage(provider=provider, model=model, input_uncached=prompt, output=completion)


def _first(value: object) -> Mapping[str, Any]:
    """Return the JSON of the first item of the first output."""
    if isinstance(value, list) and value and isinstance(value[0], list) and value[0]:
        return _mapping(_mapping(value[0][0]).get("json"))
    return {}


def _kind(node_type: str) -> str:
    short = node_type.rpartition(".")[2]
    return next((kind for start, kind in _KINDS if short.startswith(start)), "other")


def _message(error: Mapping[str, Any]) -> str:
    texts = [str(error[key]) for key in ("message", "description") if error.get(key)]
    return ": ".join(dict.fromkeys(texts))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
