"""Every write that the API takes, read from the URL resolver: nobody can add one and forget it here."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from django.urls import URLPattern, get_resolver

from controlplane.api.schema import document

WRITING = ("POST", "PUT", "PATCH", "DELETE")
READING = ("GET",)
# Views that are no views of the API's: its catch-all, its description, and the page that shows it. They take no writes.
PLAIN = frozenset({"nothing", "schema", "docs"})
_VARIABLE = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """One method of one address.

    Attributes:
        method: of HTTP.
        path: as the resolver writes it, with its converters.
    """

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def variables(self) -> dict[str, str]:
        """Name and converter of each variable of the path."""
        return {match["name"]: match["kind"] or "str" for match in _VARIABLE.finditer(self.path)}

    def fill(self, values: dict[str, Any]) -> str:
        """Return the address with values in the place of its variables."""
        return "/" + _VARIABLE.sub(lambda match: str(values[match["name"]]), self.path)

    @property
    def described(self) -> dict[str, Any]:
        """What the OpenAPI document says of it."""
        path = "/" + _VARIABLE.sub(lambda match: f"{{{match['name']}}}", self.path)
        found: dict[str, Any] = drawn()["paths"][path][self.method.lower()]
        return found

    def needs_header(self, name: str) -> bool:
        """Say whether the call must carry a header."""
        return any(
            each["in"] == "header" and each["name"] == name and each.get("required")
            for each in self.described.get("parameters", ())
        )

    @property
    def body(self) -> dict[str, Any] | None:
        """The schema of the body, or None where it takes none."""
        request = self.described.get("requestBody")
        return None if request is None else resolved(request["content"]["application/json"]["schema"])


@functools.cache
def drawn() -> Any:
    """Return the OpenAPI document."""
    return yaml.safe_load(document())


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its references followed, and how it may be null."""
    if "allOf" in schema:
        first = resolved(schema["allOf"][0])
        return {**first, **{name: value for name, value in schema.items() if name != "allOf"}}
    if "oneOf" in schema:
        kinds = [resolved(each) for each in schema["oneOf"]]
        return {**kinds[0], "nullable": any(None in each.get("enum", ()) for each in kinds)}
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return resolved(drawn()["components"]["schemas"][name])
    return schema


def every_route(methods: Iterable[str], patterns: Any = None, *, prefix: str = "") -> Iterator[Route]:
    """Yield the API's routes of some methods.

    Args:
        methods: which.
        patterns: where to look; the product's own when left out.
        prefix: what stands before them.
    """
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        where = prefix + str(pattern.pattern)
        if not isinstance(pattern, URLPattern):
            yield from every_route(methods, pattern.url_patterns, prefix=where)
        # A foreign protocol's addresses answer in its own shape; their bad input has tests beside it (tests/protocols).
        elif hasattr(pattern.callback, "cls") and where.startswith("api/"):
            yield from (Route(method, where) for method in methods if takes(pattern.callback.cls, method))


def takes(view: Any, method: str) -> bool:
    """Say whether a REST framework view answers a method."""
    return method.lower() in view.http_method_names and hasattr(view, method.lower())


def plain_views(patterns: Any = None, *, prefix: str = "") -> Iterator[str]:
    """Yield the names of views below ``/api/`` that are none of REST framework's."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        where = prefix + str(pattern.pattern)
        if not isinstance(pattern, URLPattern):
            yield from plain_views(pattern.url_patterns, prefix=where)
        elif where.startswith("api/") and not hasattr(pattern.callback, "cls"):
            yield pattern.callback.__name__
