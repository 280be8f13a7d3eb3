"""Every page of the console, from the resolver: what is added there is looked at without being listed here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from approvals.models import ApprovalRequest
from registry.models import SavedView
from runs.models import Step

# Not pages: they answer machines, take only POST, or are Django's own plumbing.
NOT_PAGES = re.compile(r"(api/|healthz|readyz|metrics|events$|static/|undo/)|.*(jsi18n|logout|autocomplete|/r/<)")
# Pages whose address needs a word more than the resolver says.
QUERIES: Mapping[str, str] = {
    "admin:save_view": "page=runs.run&query=show%3Dfailed",
    "admin:search": "s=job",
    "admin:runs_run_step": "step={step}",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One page.

    Attributes:
        name: of the address, with its namespace.
        url: an address of it that the full scene serves.
    """

    name: str
    url: str


def patterns() -> Iterator[tuple[str, str]]:
    """Yield name and route of every address that may be a page."""
    yield from _walk(get_resolver().url_patterns, "", "")


def _walk(found: list[URLPattern | URLResolver], namespace: str, route: str) -> Iterator[tuple[str, str]]:
    for each in found:
        here = route + str(each.pattern)
        if NOT_PAGES.match(here):
            continue
        if isinstance(each, URLResolver):
            inner = ":".join(part for part in (namespace, each.namespace or "") if part)
            yield from _walk(each.url_patterns, inner, here)
        elif each.name:
            yield (f"{namespace}:{each.name}" if namespace else each.name), here


def places() -> list[Place]:
    """Return every page with an address that shows something, of the rows that are there now."""
    found: dict[str, Place] = {}
    for name, route in patterns():
        arguments = _arguments(name, route)
        if arguments is None:
            continue
        query = QUERIES.get(name, "")
        if "{step}" in query:
            query = query.format(step=Step.objects.order_by("pk").values_list("pk", flat=True)[0])
        url = reverse(name, kwargs=arguments)
        found[name] = Place(name, f"{url}?{query}" if query else url)
    return list(found.values())


def unreachable() -> list[str]:
    """Return the names of pages for which no row is there to show."""
    return [name for name, route in patterns() if _arguments(name, route) is None]


def _arguments(name: str, route: str) -> dict[str, Any] | None:
    wanted = re.findall(r"<(?:\w+:)?(\w+)>", route)
    if not wanted and "(?P<" not in route:
        return {}
    if wanted == ["object_id"]:
        row = _row(model_of(name))
        return None if row is None else {"object_id": row.pk}
    if wanted == ["view_id"]:
        view = SavedView.objects.first()
        return None if view is None else {"view_id": view.pk}
    return None


def model_of(name: str) -> type[Model]:
    """Return the model whose page a name is: ``admin:runs_run_change``."""
    app, model = name.removeprefix("admin:").split("_")[:2]
    return apps.get_model(app, model)


def _row(model: type[Model]) -> Model | None:
    if model is ApprovalRequest:
        return ApprovalRequest.objects.open().order_by("id").first()
    return model._default_manager.order_by("pk").first()
