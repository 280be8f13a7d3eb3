"""The API's reference page, drawn from the committed OpenAPI schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

SCHEMA = Path(__file__).resolve().parent.parent / "docs" / "reference" / "openapi.yaml"
_CALLERS = {"agentKey": "an agent's key", "session": "a person's session"}
_METHODS = ("get", "post", "put", "patch", "delete")
_HEAD = """# API

Version 1, drawn by `manage.py reference` from {download}`openapi.yaml <openapi.yaml>`; an installation serves the same
schema at `/api/schema` and a page to try it at `/api/docs`. Bodies are JSON. Every error is a problem document
(RFC 9457, `application/problem+json`) with a stable `code`; lists are paged by cursors, at most 200 to a page."""


def draw() -> str:
    """Return the page."""
    schema = yaml.safe_load(SCHEMA.read_text())
    lines = [_HEAD]
    tag = ""
    for path, operations in sorted(schema["paths"].items(), key=lambda entry: (_tag(entry[1]), entry[0])):
        if _tag(operations) != tag:
            tag = _tag(operations)
            lines += ["", f"## {tag}"]
        for method in _METHODS:
            if method in operations:
                lines += _operation(method, path, operations[method])
    lines += ["", "## Shapes"]
    for name, shape in sorted(schema["components"]["schemas"].items()):
        lines += _shape(name, shape)
    return "\n".join(lines) + "\n"


def _tag(operations: Mapping[str, Any]) -> str:
    first = next(operations[method] for method in _METHODS if method in operations)
    return str(first.get("tags", ["other"])[0])


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"### {method.upper()} {path}", "", _line(operation.get("description", "")), "")
    callers = [_CALLERS.get(name, name) for entry in operation.get("security", ()) for name in entry]
    yield f"Called with {' or '.join(callers)}." if callers else "Open to anyone."
    parameters = operation.get("parameters", ())
    if parameters:
        yield from ("", "| parameter | in | kind | meaning |", "|---|---|---|---|")
        for entry in parameters:
            name = f"`{entry['name']}`" + (" (required)" if entry.get("required") else "")
            yield f"| {name} | {entry['in']} | {_kind(entry['schema'])} | {_line(entry.get('description', ''))} |"
    if "requestBody" in operation:
        yield from ("", f"Body: {_content(operation['requestBody'])}.")
    answers = (f"`{status}` {_content(answer)}".rstrip() for status, answer in sorted(operation["responses"].items()))
    yield from ("", f"Answers: {', '.join(answers)}.")


def _content(holder: Mapping[str, Any]) -> str:
    kinds = {_kind(media["schema"]) for media in holder.get("content", {}).values() if media.get("schema")}
    return " or ".join(sorted(kinds))


def _shape(name: str, shape: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"### {name}", "")
    if shape.get("description"):
        yield from (_line(shape["description"]), "")
    if not shape.get("properties"):
        yield _kind(shape) + "."
        return
    yield from ("| field | kind | meaning |", "|---|---|---|")
    required = set(shape.get("required", ()))
    for field, entry in shape["properties"].items():
        asked = " (required)" if field in required else ""
        yield f"| `{field}`{asked} | {_kind(entry)} | {_line(entry.get('description', ''))} |"


def _kind(schema: Mapping[str, Any]) -> str:
    """Return what a value is, in a few words; shapes of their own are linked."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for joined in ("oneOf", "anyOf", "allOf"):
        if joined in schema:
            return " or ".join(dict.fromkeys(_kind(part) for part in schema[joined]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "any")
    names = [str(one) for one in kind] if isinstance(kind, list) else [str(kind)]
    if "array" in names:
        return f"list of {_kind(schema.get('items', {}))}"
    bounds = "".join(_bound(schema, key, words) for key, words in _BOUNDS)
    shown = f" ({schema['format']})" if "format" in schema else ""
    return " or ".join(names) + shown + bounds


_BOUNDS = (("minimum", "≥"), ("maximum", "≤"), ("maxLength", "at most"))


def _bound(schema: Mapping[str, Any], key: str, words: str) -> str:
    unit = " characters" if key == "maxLength" else ""
    return f", {words} {schema[key]}{unit}" if key in schema else ""


def _line(text: str) -> str:
    """Return text as one line that fits into a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")
