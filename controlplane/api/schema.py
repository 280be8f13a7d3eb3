"""The OpenAPI document and the page that shows it, from local assets only."""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import OpenApiYamlRenderer
from rest_framework import serializers

_ASSETS = "drf_spectacular_sidecar/swagger-ui-dist"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_CSRF = {
    "name": "X-CSRFToken",
    "in": "header",
    # Not marked as required: the page below sends it by itself, and would else ask for it.
    "required": False,
    "schema": {"type": "string"},
    "description": "Required: the value of the cookie `csrftoken`.",
}
_RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}


class ApiSchema(AutoSchema):
    """Names the components after what they are: ``AgentShape`` is ``Agent``."""

    def get_serializer_name(self, serializer: serializers.BaseSerializer[Any], direction: str) -> str:
        """Return the component's name."""
        return type(serializer).__name__.removesuffix("Shape")


def finish(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Add what every call has in common (a postprocessing hook of drf-spectacular)."""
    answers = result["components"].setdefault("responses", {})
    answers["Flooded"] = {"description": "Too many calls.", "headers": _RETRY, "content": _PROBLEM}
    answers["Unavailable"] = {
        "description": "The database does not answer; nothing was decided.", "headers": _RETRY, "content": _PROBLEM,
    }  # fmt: skip
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                response["description"] = response["description"] or HTTPStatus(int(status)).phrase
            operation["responses"]["429"] = {"$ref": "#/components/responses/Flooded"}
            operation["responses"]["503"] = {"$ref": "#/components/responses/Unavailable"}
            if "{" in path:
                operation["responses"].setdefault("404", {"description": "Not Found", "content": _PROBLEM})
            if body := operation.get("requestBody"):
                # A body of nothing but optional fields is a body all the same, and no field is read but its own.
                body["required"] = True
                _close(body, result["components"]["schemas"])
            for parameter in operation.get("parameters", ()):
                _bound(parameter)
            if method != "get" and operation["security"] == [{"session": []}]:
                operation.setdefault("parameters", []).append(_CSRF)
    _drop(result, "x-spec-enum-id")
    return result


def _close(node: Any, shapes: dict[str, Any]) -> None:
    """Say of every object below a body that it has no other fields than those described."""
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _close(child, shapes)
    if not isinstance(node, dict):
        return
    if "properties" in node:
        node.setdefault("additionalProperties", False)
    name = str(node.get("$ref", "")).removeprefix("#/components/schemas/")
    if name in shapes and "additionalProperties" not in shapes[name]:
        _close(shapes[name], shapes)


def _bound(parameter: dict[str, Any]) -> None:
    """Say of a text in a query that it is neither empty nor endless, and holds no NUL."""
    schema = parameter["schema"]
    is_text = parameter["in"] == "query" and schema.get("type") == "string"
    if is_text and not schema.keys() & {"enum", "format", "pattern"}:
        schema |= {"minLength": 1, "maxLength": 255, "pattern": "^[^\\u0000]*$"}


def _drop(node: Any, name: str) -> None:
    """Take a mark of the library's own out of the whole document."""
    if isinstance(node, dict):
        node.pop(name, None)
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _drop(child, name)


@functools.cache
def document() -> bytes:
    """Return the schema as YAML. It is drawn once: the code does not change while it runs."""
    drawn = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return bytes(OpenApiYamlRenderer().render(drawn, renderer_context={}))  # type: ignore[no-untyped-call]


@csrf_exempt
@require_safe
def schema(_request: HttpRequest) -> HttpResponse:
    """Answer the OpenAPI document."""
    return HttpResponse(document(), content_type="application/vnd.oai.openapi")


@csrf_exempt
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the OpenAPI document; the library's page, started by a script of ours, as nothing inline may run."""
    page = {
        "title": "Control plane API",
        "swagger_ui_css": static(f"{_ASSETS}/swagger-ui.css"),
        "swagger_ui_bundle": static(f"{_ASSETS}/swagger-ui-bundle.js"),
        "swagger_ui_standalone": static(f"{_ASSETS}/swagger-ui-standalone-preset.js"),
        "favicon_href": static(f"{_ASSETS}/favicon-32x32.png"),
        "script_url": static("api/docs.js"),
    }
    return render(request, "drf_spectacular/swagger_ui.html", page)
