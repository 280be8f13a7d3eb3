"""What one node of an n8n workflow did: its kind, its items, its error, its tokens (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.canonical import MAX_INTEGER
from runs.events import Usage
from runs.redaction import redact_text
from runs.states import StepKind

_MODEL = "ai_languageModel"
_TOOL = "ai_tool"
_MODEL_PREFIX = "lmChat"
# Node types after "lmChat" or "lm" → provider as genai-prices calls it; others keep their own name.
_PROVIDERS = {
    "anthropic": "anthropic",
    "awsbedrock": "aws",
    "azureopenai": "azure",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "googlegemini": "google",
    "googlevertex": "google",
    "groq": "groq",
    "mistralcloud": "mistral",
    "openai": "openai",
    "openrouter": "openrouter",
    "xaigrok": "x-ai",
}
_RESUMED_BY_PEOPLE = {"webhook", "form"}
_HTTP = {"httpRequest", "httpRequestTool"}


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the workflow defines it.

    Attributes:
        type: short type, for example ``httpRequest``.
        parameters: its settings.
    """

    type: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def nodes_of(workflow: object) -> dict[str, Node]:
    """Return the nodes of an execution's ``workflowData`` by name."""
    nodes = workflow.get("nodes") if isinstance(workflow, dict) else None
    found: dict[str, Node] = {}
    for node in nodes if isinstance(nodes, list) else ():
        if isinstance(node, dict) and isinstance(node.get("name"), str):
            parameters = node.get("parameters")
            found[node["name"]] = Node(
                str(node.get("type", "")).rpartition(".")[2], parameters if isinstance(parameters, dict) else {}
            )
    return found


def kind_of(entry: Mapping[str, Any], node: Node) -> StepKind:
    """Say what kind of step a node's run is.

    An agent or chain node is none of its own: its model and tools report beside it.
    """
    connections = {name for side in ("data", "inputOverride") for name in _names(entry.get(side))}
    if _MODEL in connections or node.type.startswith("lm"):
        return StepKind.LLM
    if _TOOL in connections or node.type.endswith("Tool") or node.type.startswith("tool"):
        return StepKind.TOOL
    if node.type in _HTTP:
        return StepKind.HTTP
    if node.type == "form" or node.parameters.get("operation") == "sendAndWait":
        return StepKind.HUMAN
    if node.type == "wait" and node.parameters.get("resume") in _RESUMED_BY_PEOPLE:
        return StepKind.HUMAN
    return StepKind.OTHER


def _names(value: object) -> list[str]:
    return list(value) if isinstance(value, dict) else []


def error_of(error: object) -> tuple[str, str]:
    """Return an error's type and message; the stack trace and the request are left out."""
    if not isinstance(error, dict):
        return "", ""
    parts = [part for name in ("message", "description") if isinstance(part := error.get(name), str) and part]
    name = error.get("name")
    return (name if isinstance(name, str) else ""), ": ".join(dict.fromkeys(parts))


def items_of(data: object) -> Any:
    """Return a node's items without n8n's wrapping.

    ``{"main": [[{"json": A}, {"json": B}]]}`` becomes ``[A, B]``; several outputs become a list of
    such lists, other connections than ``main`` keep their name. Files are named, not kept.

    Returns:
        A JSON value, or ``None`` where there is nothing.
    """
    if not isinstance(data, dict):
        return None
    found = {name: _outputs(outputs) for name, outputs in data.items() if outputs}
    if not found:
        return None
    return found["main"] if set(found) == {"main"} else found


def _outputs(outputs: object) -> Any:
    if not isinstance(outputs, list):
        return outputs
    lists = [[_item(item) for item in output] if isinstance(output, list) else output for output in outputs]
    return lists[0] if len(lists) == 1 else lists


def _item(item: object) -> Any:
    if not isinstance(item, dict) or "json" not in item:
        return item
    files = item.get("binary")
    if not isinstance(files, dict):
        return item["json"]
    named = {
        name: {key: value for key, value in file.items() if key != "data"}
        for name, file in files.items()
        if isinstance(file, dict)
    }
    return {"json": item["json"], "files": named}


def usage_of(entry: Mapping[str, Any], node: Node) -> Usage | None:
    """Return the tokens of a model node's run.

    Only what the provider told (``tokenUsage``): an agent node's own tracing holds its last call
    alone, and n8n's estimate is not a usage. n8n tells nothing about caches, so all input counts
    as uncached.
    """
    answer = _first(entry.get("data"))
    tokens = answer.get("tokenUsage")
    if not isinstance(tokens, dict):
        return None
    counts = [tokens.get(name) for name in ("promptTokens", "completionTokens")]
    if not all(type(count) is int and 0 <= count <= MAX_INTEGER for count in counts):
        return None
    options = _first(entry.get("inputOverride")).get("options")
    options = options if isinstance(options, dict) else {}
    model = next((name for key in ("model", "model_name", "modelName") if (name := options.get(key))), None)
    return Usage(
        provider=_provider(node.type),
        model=redact_text(str(model))[:200] if model else "unknown",
        input_uncached=counts[0] or 0,
        output=counts[1] or 0,
    )


def _first(data: object) -> Mapping[str, Any]:
    """Return the JSON of the first item on the model connection."""
    try:
        found = data[_MODEL][0][0]["json"]  # type: ignore[index]  # what is not indexable is caught
    except (KeyError, IndexError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _provider(node_type: str) -> str:
    name = node_type.removeprefix(_MODEL_PREFIX).removeprefix("lm").lower()
    return _PROVIDERS.get(name, name or "unknown")[:64]
